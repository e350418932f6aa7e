"""Field values: what a writer sends, what is stored, what a reader gets.

Stored are: text as itself (never empty: Salesforce does not tell empty from null), a boolean as 0 or 1, numbers, a date
as `2026-11-21`, a moment as `2026-11-21T12:00:00.000+0000`, a time as `12:00:00.000Z`, several choices as `a;b`.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.ids import normal_id
from infra.local.salesforce.metadata import Field

#: What SQLite holds.
Raw = str | int | float | None

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")
_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0"})


class BadValue(Exception):
    """A value that its field does not take.

    Attributes:
        code: Salesforce's status code.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def stored(field: Field, value: Any) -> Raw:
    """A JSON or CSV value as it is kept.

    Raises:
        BadValue: the field does not take it.
    """
    if value is None or value == "":
        return 0 if field.type == "boolean" else None
    return _READERS.get(field.type, _text)(field, value)


def to_json(field: Field, raw: Raw) -> Any:
    """A stored value as the REST API shows it."""
    if raw is None:
        return None
    if field.type == "boolean":
        return bool(raw)
    return json.loads(str(raw)) if field.type == "address" else raw


def csv_form(field: Field) -> Callable[[Any], str] | None:
    """How Bulk API results show a stored value that is something: moments end with Z. None where it is its own text."""
    if field.type == "boolean":
        return _WORDS.__getitem__
    if field.type == "datetime":
        return _zulu
    return None


#: A boolean as it is stored, in words.
_WORDS = {0: "false", 1: "true"}


def _zulu(raw: str) -> str:
    return raw.replace("+0000", "Z")


def _wrong_type(field: Field, value: Any) -> BadValue:
    return BadValue("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{field.label}: value not of required type: {value}")


def _text(field: Field, value: Any) -> Raw:
    if isinstance(value, (dict, list)):
        raise _wrong_type(field, type(value).__name__)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if field.length and len(text) > field.length:
        shown = text[:30]
        raise BadValue("STRING_TOO_LONG", f"{field.label}: data value too large: {shown} (max length={field.length})")
    return text


def _choice(field: Field, value: Any) -> Raw:
    text = str(_text(field, value))
    chosen = text.split(";") if field.type == "multipicklist" else [text]
    unknown = [one for one in chosen if field.restricted and one not in field.values]
    if unknown:
        code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        raise BadValue(code, f"{field.label}: bad value for restricted picklist field: {unknown[0]}")
    return text


def _email(field: Field, value: Any) -> Raw:
    text = str(_text(field, value))
    if not _EMAIL.fullmatch(text):
        raise BadValue("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}")
    return text


def _boolean(field: Field, value: Any) -> Raw:
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise _wrong_type(field, value)
    return int(text in _TRUE)


def _number(field: Field, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _wrong_type(field, value) from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise _wrong_type(field, value)
    if field.precision and abs(number) >= 10 ** (field.precision - field.scale):
        raise BadValue("NUMBER_OUTSIDE_VALID_RANGE", f"{field.label}: value outside of valid range on numeric field")
    return number


def _integer(field: Field, value: Any) -> Raw:
    number = _number(field, value)
    if number != int(number):
        raise _wrong_type(field, value)
    return int(number)


def _decimal(field: Field, value: Any) -> Raw:
    return round(_number(field, value), field.scale) if field.scale else _number(field, value)


def _date(field: Field, value: Any) -> Raw:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise _wrong_type(field, value) from None


def _moment(field: Field, value: Any) -> Raw:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise _wrong_type(field, value) from None
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _time(field: Field, value: Any) -> Raw:
    try:
        read = time.fromisoformat(str(value))
    except ValueError:
        raise _wrong_type(field, value) from None
    return f"{read.replace(tzinfo=None).isoformat('milliseconds')}Z"


def _reference(field: Field, value: Any) -> Raw:
    found = normal_id(str(value))
    if found is None:
        raise BadValue("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}")
    return found


def _binary(field: Field, value: Any) -> Raw:
    try:
        b64decode(str(value), validate=True)
    except ValueError:
        raise _wrong_type(field, "base64") from None
    return str(value)


_READERS: dict[str, Callable[[Field, Any], Raw]] = {
    "base64": _binary,
    "picklist": _choice,
    "multipicklist": _choice,
    "email": _email,
    "boolean": _boolean,
    "int": _integer,
    "double": _decimal,
    "currency": _decimal,
    "percent": _decimal,
    "date": _date,
    "datetime": _moment,
    "time": _time,
    "id": _reference,
    "reference": _reference,
}
