"""Keeps secrets out of what Retinue writes: log lines, error texts, screens.

`redact` turns any value into plain JSON values with its secrets masked; `mask_text` masks them inside a text.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from pathlib import PurePath
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from retinue.payload import Sensitive

MASK = "***"
MAX_DEPTH = 10

#: What a value may be once it is redacted.
Plain = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None

_SECRET_NAME = re.compile(
    r"passw(?:or)?d|passphrase|pwd|secret|token|authorization|credential|cookie|private.?key|api.?key|access.?key"
    r"|key.?material|(?:data|master|signing|encryption).?key|bearer",
    re.IGNORECASE,
)
# Positions in a provider's stream of changes: no secret, and needed to follow a sync.
_PUBLIC_NAMES = frozenset({"sync_token", "page_token", "next_page_token"})

_WORD = "(?:passw(?:or)?d|passphrase|pwd|secret|(?<!sync_)(?<!page_)token|credentials?|api[_-]?key|access[_-]?key)"
_BEFORE_VALUE = r"""[\w-]{0,32}(?:\\{0,3}["']\s{0,4}:\s{0,4}|["']?\s?=\s?)"""
# In quotes, in quotes that are themselves escaped (JSON within JSON), or bare.
_VALUE = r"""(?:b?"(?:[^"\\]|\\.)*"?|b?'(?:[^'\\]|\\.)*'?|\\{1,3}["'][^"']*["']?|[^\s&"']+)"""
_ASSIGNED = re.compile(f"({_WORD}{_BEFORE_VALUE}){_VALUE}", re.IGNORECASE | re.DOTALL)
_HINTS = ("passw", "passphrase", "pwd", "secret", "token", "credential", "key", "authorization", "cookie")
_HEADER = re.compile(r"""((?:authorization|cookie)["']?:\s{0,4}["']?)[^\r\n"']+""", re.IGNORECASE)
_BEARER = re.compile(r"(\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
# A database URL's password may hold a slash as people write it; elsewhere an @ may stand in the path, as in CalDAV.
# Without bounds, many that begin and never end would take time that grows with their square.
_DATABASE_PASSWORD = re.compile(
    r"""(postgres(?:ql)?(?:\+\w{1,20})?://[^\s:/?#@"']{0,256}:)[^\s"']{0,1024}@""", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"""(://[^\s:/?#@"'<>]{0,256}:)[^\s/"'<>]{0,1024}@""")
# Pydantic quotes what it was given, whichever field it was given for.
_INPUT, _INPUT_END = "input_value=", ", input_type="
_BYTES = re.compile(r"""(?<!\w)b(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")


def mask_text(text: str) -> str:
    """`text` with passwords in URLs, assigned secrets (`password=…`), credentials in headers and bytes masked."""
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\1{MASK}@", _DATABASE_PASSWORD.sub(rf"\1{MASK}@", text))
    if _INPUT in text:
        text = _without_inputs(text)
    if ("=" in text or ":" in text) and _mentions_secret(text):
        text = _HEADER.sub(rf"\1{MASK}", _ASSIGNED.sub(rf"\1{MASK}", text))
    if "earer " in text:
        text = _BEARER.sub(rf"\1{MASK}", text)
    if "b'" in text or 'b"' in text:
        text = _BYTES.sub("<bytes>", text)
    return text


def _without_inputs(text: str) -> str:
    # A pattern would look for the end again from each beginning.
    kept, place = [], 0
    while (begin := text.find(_INPUT, place)) >= 0 and (end := text.find(_INPUT_END, begin)) >= 0:
        kept += [text[place : begin + len(_INPUT)], MASK]
        place = end
    return "".join([*kept, text[place:]])


def _mentions_secret(text: str) -> bool:
    # Ten times as fast as letting the patterns look for themselves, and most texts mention none.
    lowered = text.lower()
    return any(word in lowered for word in _HINTS)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a value under this name must not be shown."""
    return name not in _PUBLIC_NAMES and _SECRET_NAME.search(name) is not None


def redact(value: object) -> Plain:
    """`value` as plain JSON values, with secrets masked at any depth and bytes told by their length."""
    return _redact(value, depth=0)


def redact_field(name: str, value: object, *, depth: int = 0) -> Plain:
    """`value` as `redact` gives it, or the mask if `name` is that of a secret. True, false and none tell no secret."""
    if isinstance(value, bool) or value is None or not is_secret_name(name):
        return _redact(value, depth=depth)
    return MASK


def _redact(value: object, *, depth: int) -> Plain:
    kind = type(value)
    if kind is str:
        return mask_text(value)  # type: ignore[arg-type] # its type was just compared
    if kind is int or kind is bool or value is None:
        return value  # type: ignore[return-value] # likewise
    if depth > MAX_DEPTH:
        return "…"
    return _redact_other(value, depth)


def _redact_other(value: object, depth: int) -> Plain:
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case BaseModel():
            return _redact_model(value, depth)
        case SecretStr() | SecretBytes() | Secret():
            return MASK
        case Mapping():
            return _redact_pairs(value.items(), depth)
        case tuple() if hasattr(value, "_fields"):
            return _redact_pairs(zip(value._fields, value, strict=True), depth)
        case list() | tuple() | AbstractSet():
            return [_redact(item, depth=depth + 1) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _redact_dataclass(value, depth)
        case _:
            return _redact_scalar(value)


def _redact_pairs(pairs: Iterable[tuple[object, object]], depth: int) -> Plain:
    named = ((str(key), item) for key, item in pairs)
    return {mask_text(name): redact_field(name, item, depth=depth + 1) for name, item in named}


def _redact_model(model: BaseModel, depth: int) -> Plain:
    hidden = sensitive_fields(type(model))
    return {name: MASK if name in hidden else redact_field(name, item, depth=depth + 1) for name, item in model}


def _redact_dataclass(value: Any, depth: int) -> Plain:
    shown = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value) if field.repr)
    return _redact_pairs(shown, depth)


def _redact_scalar(value: object) -> Plain:
    if isinstance(value, Enum):
        return redact(value.value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    text = str if isinstance(value, str | int | Decimal | timedelta | UUID | PurePath | BaseException) else repr
    try:
        return mask_text(text(value))
    except Exception as error:  # noqa: BLE001 - a value that cannot be shown must not stop what is being logged
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


@cache
def sensitive_fields(model: type[BaseModel]) -> frozenset[str]:
    """The fields of `model` that carry `Sensitive`, wherever in their annotation."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if any(_marks(item) for item in field.metadata) or _is_sensitive(field.annotation)
    )


def _is_sensitive(annotation: object) -> bool:
    if get_origin(annotation) is Annotated and any(map(_marks, annotation.__metadata__)):  # type: ignore[attr-defined] # Annotated has it
        return True
    return any(map(_is_sensitive, get_args(annotation)))


def _marks(item: object) -> bool:
    return item is Sensitive or isinstance(item, Sensitive)
