"""One masked value of an account, for somebody who has a reason of its own to see it."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from retinue.errors import NotFound

#: By what it is a value of: its table, and the columns that may be asked for. Credentials never are.
UNMASKABLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "connection": ("connections", ("name", "problem")),
    "event": ("calendar_events", ("summary", "description", "location")),
    "message": ("mail_messages", ("subject", "body_text")),
    "person": ("contacts", ("name", "address")),
}

#: A record's fields are those of its payload, by the name that the provider gives them.
RECORD = "record"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is. The ID of a record is `connection:kind:external ID`, as `7:Contact:003…`."""

    kind: str
    id: str
    field: str


def unmask(connection: psycopg.Connection, account_id: int, place: Place) -> str | None:
    """The value; None where there is none.

    Raises:
        NotFound: the account has no such thing, or it no such field that is masked.
    """
    row = _record(connection, account_id, place) if place.kind == RECORD else _column(connection, account_id, place)
    if row is None:
        raise NotFound(f"There is no {place.kind} {place.id} in this account.")
    return None if row[0] is None else str(row[0])


def _column(connection: psycopg.Connection, account_id: int, place: Place) -> tuple[object] | None:
    table, columns = UNMASKABLE.get(place.kind, ("", ()))
    if place.field not in columns or not place.id.isdecimal() or len(place.id) > 18:
        raise NotFound(f"Nothing is masked that is called {place.kind} {place.field}.")
    query = sql.SQL("SELECT {} FROM {} WHERE id = %s AND account_id = %s")
    return connection.execute(
        query.format(sql.Identifier(place.field), sql.Identifier(table)), (int(place.id), account_id)
    ).fetchone()


def _record(connection: psycopg.Connection, account_id: int, place: Place) -> tuple[object] | None:
    number, _, rest = place.id.partition(":")
    kind, _, external_id = rest.partition(":")
    if not number.isdecimal() or len(number) > 18:
        raise NotFound(f"There is no record {place.id}.")
    return connection.execute(
        "SELECT payload ->> %s FROM records"
        " WHERE connection_id = %s AND kind = %s AND external_id = %s AND account_id = %s",
        (place.field, int(number), kind, external_id, account_id),
    ).fetchone()
