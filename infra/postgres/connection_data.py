"""Everything that is kept about one connection: found in PostgreSQL's catalogue, so that no table is forgotten.

A table holds data of connections where it has a `connection_id`, or where its rows refer to rows that hold such data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import psycopg

from infra.postgres.contacts import count_contacts
from infra.postgres.owned_tables import OwnedTable, count, delete, look, owned_tables

#: Rows that go in one transaction.
BATCH = 1_000

#: Rows that are looked for at once; each look passes by what is gone already.
_LOOK = 50 * BATCH

#: No table's rows are counted beyond so many.
MOST_COUNTED = 10_000

#: Go with the event that they are asked to, so that its contacts are counted once.
_WITH_OTHERS = frozenset({"calendar_attendees"})

_OF_MESSAGES = """
SELECT participant.contact_id, -count(DISTINCT participant.message_id)
FROM mail_messages AS message
JOIN message_participants AS participant ON participant.message_id = message.id
WHERE message.ctid = ANY(%s::tid[]) AND message.deleted_at IS NULL AND participant.contact_id IS NOT NULL
GROUP BY participant.contact_id
"""

_OF_EVENTS = """
SELECT attendee.contact_id, -count(DISTINCT attendee.event_id)
FROM calendar_events AS event
JOIN calendar_attendees AS attendee ON attendee.event_id = event.id
WHERE event.ctid = ANY(%s::tid[]) AND attendee.contact_id IS NOT NULL
GROUP BY attendee.contact_id
"""


def _uncount_messages(account_id: int, connection: psycopg.Connection, rows: Sequence[str]) -> None:
    count_contacts(connection, account_id, _changes(connection, _OF_MESSAGES, rows), what="messages")


def _uncount_events(account_id: int, connection: psycopg.Connection, rows: Sequence[str]) -> None:
    count_contacts(connection, account_id, _changes(connection, _OF_EVENTS, rows), what="events")


def _changes(connection: psycopg.Connection, query: str, rows: Sequence[str]) -> Mapping[int, int]:
    return dict(connection.execute(query.encode(), (list(rows),)).fetchall())


#: What else a table's rows change when they go.
_BEFORE: dict[str, Callable[[int, psycopg.Connection, Sequence[str]], None]] = {
    "mail_messages": _uncount_messages,
    "calendar_events": _uncount_events,
}


def data_tables(connection: psycopg.Connection) -> list[OwnedTable]:
    """Every one of them, none before those whose rows refer to its rows."""
    return owned_tables(connection, "connection_id", without=_WITH_OTHERS)


def count_data(connection: psycopg.Connection, connection_id: int) -> dict[str, int]:
    """Rows by table, of those tables that hold some; more than `MOST_COUNTED` are told as one more than that."""
    counts = {
        table.name: count(connection, table, connection_id, most=MOST_COUNTED + 1) for table in data_tables(connection)
    }
    return {name: number for name, number in counts.items() if number}


def delete_data(connection: psycopg.Connection, connection_id: int, account_id: int) -> Iterator[tuple[str, int]]:
    """Delete it, in transactions of a batch each; gives the table and the rows of each batch that is gone.

    `connection` is in autocommit mode. Whoever writes meanwhile may leave something behind.
    """
    for table in data_tables(connection):
        before = partial(_BEFORE[table.name], account_id) if table.name in _BEFORE else None
        while rows := look(connection, table, connection_id, limit=_LOOK):
            for start in range(0, len(rows), BATCH):
                with connection.transaction():
                    gone = delete(connection, table, rows[start : start + BATCH], connection_id, before=before)
                yield table.name, gone
