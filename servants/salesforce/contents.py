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
from itertools import repeat
from json.encoder import encode_basestring as quoted
from math import isfinite
from typing import Any, Protocol, TypeVar

from infra.postgres.record_values import NewRecord, version_of, written
from retinue.errors import PermanentError

T = TypeVar("T")
Value = str | int | float | bool | None
Form = Callable[[Any], Value]

ID = "Id"
DELETED = "IsDeleted"

#: What tells that a row changed, the best first. Rows of objects without any of them are only ever compared.
STAMPS = ("SystemModstamp", "LastModifiedDate", "CreatedDate")

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")

#: How nearly every moment ends, in JSON and in CSV: its first 19 characters say all.
_WHOLE_SECONDS = frozenset({".000+0000", ".000Z"})


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
    if text[19:] in _WHOLE_SECONDS:
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
            version, moment = _state(self._stamp and row[self._stamp])
            return NewRecord(row[ID], version, payload, moment if row.get(DELETED) is True else None)
        except (KeyError, ValueError) as error:
            raise PermanentError(f"Salesforce gave a row that cannot be read: {type(error).__name__}.") from None

    def of_csv(self, header: Sequence[str]) -> Callable[[Sequence[Sequence[str]]], list[NewRecord]]:
        """What makes records of lines below this header.

        Raises:
            PermanentError: it lacks what was asked for.
        """
        place = {name: number for number, name in enumerate(header)}
        missing = {*self._forms, ID, *filter(None, [self._stamp])} - place.keys()
        if missing:
            raise PermanentError(f"Salesforce left out what was asked for: {', '.join(sorted(missing))}.")
        # Payloads are written at once, as `canonical` would: nothing else is wanted of most rows. And column by column,
        # which takes half the time.
        names = sorted(self._forms)
        read_columns = [
            (_column(head, self._forms[name]), place[name]) for head, name in zip(_heads(names), names, strict=True)
        ]
        id_place, stamp_place, deleted_place = place[ID], place.get(self._stamp or ""), place.get(DELETED)

        def read(lines: Sequence[Sequence[str]]) -> list[NewRecord]:
            try:
                return records_of(lines) if lines else []
            except ValueError as error:
                # Without its words, which quote the value.
                raise PermanentError(f"Salesforce gave a row that cannot be read: {type(error).__name__}.") from None

        def records_of(lines: Sequence[Sequence[str]]) -> list[NewRecord]:
            columns = list(zip(*lines, strict=True))
            is_plain = _is_plain(lines)
            values = [column(columns[number], is_plain) for column, number in read_columns]
            payloads = map("".join, zip(*values, repeat("}"), strict=False)) if values else repeat("{}")
            states = repeat((None, None)) if stamp_place is None else _each_once(_state, columns[stamp_place])
            deleted = repeat("") if deleted_place is None else columns[deleted_place]
            return [
                NewRecord(external_id, version, written(payload), moment if is_deleted == "true" else None)
                for external_id, (version, moment), is_deleted, payload in zip(
                    columns[id_place], states, deleted, payloads, strict=False
                )
            ]

        return read


#: What JSON escapes in a text, in UTF-8.
_ESCAPED = bytes(range(0x20)) + b'"\\\\'

#: What makes JSON of a column, each value behind its key; it is told whether nothing there needs to be escaped.
Column = Callable[[Sequence[str], bool], list[str]]


def _is_plain(lines: Sequence[Sequence[str]]) -> bool:
    encoded = "".join(map("".join, lines)).encode(errors="surrogatepass")
    return len(encoded.translate(None, _ESCAPED)) == len(encoded)


def _heads(names: Sequence[str]) -> list[str]:
    """What stands before the value of each field in the JSON of an object."""
    return [("," if number else "{") + quoted(name) + ":" for number, name in enumerate(names)]


def _column(head: str, form: Form) -> Column:
    if form is _text:
        return lambda cells, is_plain: _texts(head, cells, is_plain)
    return lambda cells, _: _each_once(lambda text: head + _json(form(text)), cells)


def _each_once(made: Callable[[str], T], cells: Sequence[str]) -> list[T]:
    """What is made of each cell; of equal ones once, for columns other than texts repeat themselves."""
    known = {text: made(text) for text in {*cells}}
    return list(map(known.__getitem__, cells))


def _texts(head: str, cells: Sequence[str], is_plain: bool) -> list[str]:
    null = head + "null"
    if is_plain:
        # Much faster than looking into each.
        return [f'{head}"{text}"' if text else null for text in cells]
    return [head + quoted(text) if text else null for text in cells]


def _json(value: Value) -> str:
    if type(value) is str:
        return quoted(value)
    if value is None:
        return "null"
    return repr(value).lower() if isinstance(value, bool) else repr(value)


def _state(stamp: str | None) -> tuple[int | None, datetime | None]:
    """The version of a row, and when it became what it is."""
    if not stamp:
        return None, None
    moment = moment_of(stamp)
    return version_of(moment), moment
