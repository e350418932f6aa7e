"""The one form in which a row is kept, whichever way it was read.

The same row comes as JSON from the REST API and as text from the Bulk API, which writes everything as text and
nothing for null: numbers and moments look different there (REST API Developer Guide, "Query"; Bulk API 2.0, "Get
Results for a Query Job"). Two readings of a row that has not changed must be equal, so every value is brought into one
form by its field's type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Protocol

from infra.postgres.record_values import NewRecord, version_of
from retinue.errors import PermanentError

Value = str | int | float | bool | None
Form = Callable[[Any], Value]

ID = "Id"
DELETED = "IsDeleted"

#: What tells that a row changed, the best first. Rows of objects without any of them are only ever compared.
STAMPS = ("SystemModstamp", "LastModifiedDate", "CreatedDate")

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")

#: How nearly every moment ends, in JSON and in CSV: its first 19 characters say all.
_WHOLE_SECONDS = (".000+0000", ".000Z")


class NamedType(Protocol):
    """A field: as it is stored, or as it is described."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...


def moment_of(text: str) -> datetime:
    """A moment as either API writes it, in UTC.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return moment.astimezone(UTC)


def _moment(value: Any) -> Value:
    if not value:
        return None
    text = str(value)
    if text.endswith(_WHOLE_SECONDS):
        return text[:19] + "Z"
    moment = moment_of(text)
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{moment.microsecond // 1000:03d}Z" if moment.microsecond >= 1000 else f"{whole}Z"


def _number(value: Any) -> Value:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if value.lstrip("-").isdecimal():
            return int(value)
        value = float(value)
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("no number")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _boolean(value: Any) -> Value:
    if value in ("false", "true"):
        return bool(value == "true")
    if isinstance(value, bool):
        return value
    return None if value in (None, "") else str(value).lower() == "true"


def _text(value: Any) -> Value:
    # Salesforce keeps no empty text, and Bulk cannot tell it from null.
    return None if value in (None, "") else str(value)


def _anything(value: Any) -> Value:
    """`anyType`, as the OldValue of a history: Bulk does not say what it was, so it is kept as text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if _MOMENT.fullmatch(text):
        return _moment(text)
    return str(_number(value)) if isinstance(value, int | float) else text


_FORMS: Mapping[str, Form] = {
    "boolean": _boolean,
    "int": _number,
    "long": _number,
    "double": _number,
    "currency": _number,
    "percent": _number,
    "datetime": _moment,
    "anyType": _anything,
}


def form_of(field_type: str) -> Form:
    """What brings a value of this type of field into its one form."""
    return _FORMS.get(field_type, _text)


class Reading:
    """Makes records of what either API gives for one selection of fields.

    `stamp` is the field that is a row's version. It, `Id` and `IsDeleted` are part of the payload only if they are
    among the fields.
    """

    def __init__(self, fields: Sequence[NamedType], *, stamp: str | None) -> None:
        self._forms = {field.name: form_of(field.type) for field in fields}
        self._stamp = stamp

    def of_json(self, row: Mapping[str, Any]) -> NewRecord:
        """A row as the REST API gives it.

        Raises:
            PermanentError: it lacks what was asked for, or cannot be read.
        """
        try:
            payload = {name: form(row[name]) for name, form in self._forms.items()}
            return _record(row[ID], self._stamp and row[self._stamp], payload, is_deleted=row.get(DELETED) is True)
        except (KeyError, ValueError) as error:
            raise PermanentError(f"Salesforce gave a row that cannot be read: {type(error).__name__}.") from None

    def of_csv(self, header: Sequence[str]) -> Callable[[Sequence[str]], NewRecord]:
        """What makes records of the lines below this header.

        Raises:
            PermanentError: it lacks what was asked for.
        """
        place = {name: number for number, name in enumerate(header)}
        missing = {*self._forms, ID, *filter(None, [self._stamp])} - place.keys()
        if missing:
            raise PermanentError(f"Salesforce left out what was asked for: {', '.join(sorted(missing))}.")
        # In the order of canonical payloads, which are made the faster for it; of most fields the text is the value.
        forms = [(name, None if form is _text else form, place[name]) for name, form in sorted(self._forms.items())]
        id_place, stamp_place, deleted_place = place[ID], place.get(self._stamp or ""), place.get(DELETED)

        def read(line: Sequence[str]) -> NewRecord:
            try:
                return record_of(line)
            except ValueError as error:
                # Without its words, which quote the value.
                raise PermanentError(f"Salesforce gave a row that cannot be read: {type(error).__name__}.") from None

        def record_of(line: Sequence[str]) -> NewRecord:
            payload = {
                name: (line[number] or None) if form is None else form(line[number]) for name, form, number in forms
            }
            stamp = None if stamp_place is None else line[stamp_place]
            is_deleted = deleted_place is not None and line[deleted_place] == "true"
            return _record(line[id_place], stamp, payload, is_deleted=is_deleted)

        return read


def _record(external_id: str, stamp: str | None, payload: Mapping[str, Value], *, is_deleted: bool) -> NewRecord:
    if not stamp:
        return NewRecord(external_id, None, payload)
    moment = moment_of(stamp)
    return NewRecord(external_id, version_of(moment), payload, moment if is_deleted else None)
