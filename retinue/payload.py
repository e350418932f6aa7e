"""Typed payloads: checked when a job is made, so that a servant never meets one that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from retinue.errors import InvalidPayload

P = TypeVar("P", bound=BaseModel)


class Sensitive:
    """Marks a payload field that logs and screens must mask: `body: Annotated[str, Sensitive()]`."""


class Payload(BaseModel):
    """Base for payloads: frozen, and an unknown field is an error, because it is most often a typing mistake.

    JSON has no word for infinity, so a number must be finite.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoPayload(Payload):
    """The payload of a type that needs none."""


def validate_payload(job_type: str, model: type[P], value: Mapping[str, Any] | BaseModel) -> P:
    """`value` as an instance of `model`.

    Raises:
        InvalidPayload: names the job type, every field that does not fit, and what was expected.
    """
    if type(value) is model:
        return value
    try:
        return model.model_validate(value.model_dump() if isinstance(value, BaseModel) else value)
    except ValidationError as error:
        raise InvalidPayload(_explain(job_type, model, error)) from None


def parse_payload(job_type: str, model: type[P], text: str) -> P:
    """A payload as it was stored, which an earlier version of the model may have written.

    Raises:
        InvalidPayload: like `validate_payload`.
    """
    try:
        return model.model_validate_json(text, by_alias=True, by_name=True)
    except ValidationError as error:
        raise InvalidPayload(_explain(job_type, model, error)) from None


def _explain(job_type: str, model: type[BaseModel], error: ValidationError) -> str:
    faults = "; ".join(f"{_place(fault['loc'])}: {fault['msg']}" for fault in error.errors(include_input=False))
    return f"The payload for {job_type!r} does not fit {model.__name__} ({_shape(model)}). {faults}."


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "payload"


def _shape(model: type[BaseModel]) -> str:
    fields = model.model_fields.items()
    return ", ".join(name if field.is_required() else f"{name} (optional)" for name, field in fields) or "no fields"
