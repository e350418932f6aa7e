"""What people are told about settings: what they are, and what is wrong with those that do not load."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from pydantic import SecretStr, ValidationError

from infra.redaction import MASK, mask_text
from infra.settings_sources import ENV_PREFIX, Origin, variable_name

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as people see it: its variable, its value with secrets masked, and where that comes from."""

    name: str
    value: str
    source: str
    description: str


def rows(settings: Settings, origin: Origin) -> list[SettingRow]:
    """One row for every setting, in the order they are declared in."""
    return [
        SettingRow(
            variable_name(name),
            _shown(field, getattr(settings, name)),
            _source(settings, name, origin),
            field.description or "",
        )
        for name, field in type(settings).model_fields.items()
    ]


def _source(settings: Settings, name: str, origin: Origin) -> str:
    source = origin.source(variable_name(name))
    return "given" if source == "default" and name in settings.model_fields_set else source


def _shown(field: FieldInfo, value: object) -> str:
    if value is None:
        return "(not set)"
    if _is_secret(field):
        return MASK
    if isinstance(value, dict):
        return ",".join(f"{key}={count}" for key, count in value.items()) or "(one of each type)"
    return mask_url(str(value))


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or any(
        SecretStr in (part, *get_args(part)) for part in get_args(field.annotation)
    )


def mask_url(text: str) -> str:
    """`text` without what may be a URL's password, even if it is not quite a URL."""
    before, at, after = text.rpartition("@")
    start, slashes, user = before.partition("//") if "//" in before else ("", "", before)
    if at and ":" in user:
        text = f"{start}{slashes}{user.partition(':')[0]}:{MASK}@{after}"
    return mask_text(text)


def explain(model: type[Settings], error: ValidationError, origin: Origin) -> str:
    """One text that lists every bad setting: its variable, its value, what is wrong, and how to mend it."""
    faults = [_explain(model, fault, origin) for fault in error.errors(include_url=False)]
    count = "1 setting is" if len(faults) == 1 else f"{len(faults)} settings are"
    return "\n".join([f"{count} wrong:", *(f"  {fault}" for fault in faults)])


def _explain(model: type[Settings], fault: ErrorDetails, origin: Origin) -> str:
    name = str(fault["loc"][0])
    variable = variable_name(name)
    field = model.model_fields.get(name)
    if field is None:
        return f"{name}: there is no such setting.{did_you_mean(variable, model)}"
    value = MASK if _is_secret(field) else mask_url(repr(fault["input"]))
    place = origin.source(variable)
    example = f"{variable}={(field.examples or [''])[0]}"
    return (
        f"{variable}={value} ({'given' if place == 'given' else f'from {place}'}): {_reason(fault)}.\n"
        f"    {field.description} Example: {example}"
    )


def _reason(fault: ErrorDetails) -> str:
    own = fault.get("ctx", {}).get("error")
    return str(own or fault["msg"].replace("Input should", "should").replace("String should", "should")).rstrip(".")


def did_you_mean(variable: str, model: type[Settings]) -> str:
    """` Did you mean RETINUE_X?`, or nothing when no setting's name is close."""
    close = difflib.get_close_matches(variable.removeprefix(ENV_PREFIX).lower(), model.model_fields, n=1)
    return f" Did you mean {variable_name(close[0])}?" if close else ""
