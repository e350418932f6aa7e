"""Everything that is kept about one connection: found in PostgreSQL's catalogue, so that no table is forgotten.

A table holds data of connections where it has a `connection_id`, or where its rows refer to rows that hold such data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Composable, Identifier

from infra.postgres.contacts import count_contacts

#: Rows that go in one transaction.
BATCH = 1_000

#: Rows that are looked for at once; each look passes by what is gone already.
_LOOK = 50 * BATCH

#: No table's rows are counted beyond so many.
MOST_COUNTED = 10_000

#: Go with the event that they are asked to, so that its contacts are counted once.
_WITH_OTHERS = frozenset({"calendar_attendees"})

# The partitions of a table are tables, too, and hold its rows.
_TABLES = """
SELECT class.relname
FROM pg_class AS class
JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
WHERE class.relkind = 'r' AND class.relnamespace = current_schema()::regnamespace
    AND attribute.attname = 'connection_id' AND NOT attribute.attisdropped
ORDER BY class.relname
"""

_REFERENCES = """
SELECT child.relname, child_column.attname, parent.relname, parent_column.attname
FROM pg_constraint AS reference
JOIN pg_class AS child ON child.oid = reference.conrelid
JOIN pg_class AS parent ON parent.oid = reference.confrelid
JOIN pg_attribute AS child_column
    ON child_column.attrelid = child.oid AND child_column.attnum = reference.conkey[1]
JOIN pg_attribute AS parent_column
    ON parent_column.attrelid = parent.oid AND parent_column.attnum = reference.confkey[1]
WHERE reference.contype = 'f' AND cardinality(reference.conkey) = 1 AND child.relkind = 'r' AND parent.relkind = 'r'
    AND child.relnamespace = current_schema()::regnamespace AND child.oid <> parent.oid
ORDER BY child.relname, child_column.attname
"""

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


def _uncount_messages(connection: psycopg.Connection, account_id: int, rows: Sequence[str]) -> None:
    count_contacts(connection, account_id, _changes(connection, _OF_MESSAGES, rows), what="messages")


def _uncount_events(connection: psycopg.Connection, account_id: int, rows: Sequence[str]) -> None:
    count_contacts(connection, account_id, _changes(connection, _OF_EVENTS, rows), what="events")


def _changes(connection: psycopg.Connection, query: str, rows: Sequence[str]) -> Mapping[int, int]:
    return dict(connection.execute(query.encode(), (list(rows),)).fetchall())


#: What else a table's rows change when they go.
_BEFORE: dict[str, Callable[[psycopg.Connection, int, Sequence[str]], None]] = {
    "mail_messages": _uncount_messages,
    "calendar_events": _uncount_events,
}


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table that holds data of connections; `owned` is the condition for those of the connection `%(id)s`."""

    name: str
    owned: Composable


def data_tables(connection: psycopg.Connection) -> list[DataTable]:
    """Every one of them, none before those whose rows refer to its rows."""
    own = {name for (name,) in connection.execute(_TABLES)}
    references: dict[str, list[tuple[str, str, str]]] = {}
    for child, column, parent, key in connection.execute(_REFERENCES).fetchall():
        references.setdefault(child, []).append((column, parent, key))
    conditions: dict[str, Composable] = {name: SQL("connection_id = %(id)s") for name in own}
    while more := _reached(conditions, references):
        conditions.update(more)
    return [DataTable(name, conditions[name]) for name in _children_first(conditions, references)]


def _reached(
    conditions: Mapping[str, Composable], references: Mapping[str, list[tuple[str, str, str]]]
) -> dict[str, Composable]:
    """The tables that refer to those, and are not among them yet."""
    return {
        child: SQL("{} IN (SELECT {} FROM {} WHERE {})").format(
            Identifier(column), Identifier(key), Identifier(parent), conditions[parent]
        )
        for child, refers in references.items()
        if child not in conditions and child not in _WITH_OTHERS
        for column, parent, key in refers
        if parent in conditions
    }


def _children_first(
    conditions: Mapping[str, Composable], references: Mapping[str, list[tuple[str, str, str]]]
) -> Iterator[str]:
    left = dict.fromkeys(sorted(conditions))
    while left:
        parents = {parent for child in left for _, parent, _ in references.get(child, ())}
        free = [name for name in left if name not in parents] or list(left)
        for name in free:
            del left[name]
        yield from free


def count_data(connection: psycopg.Connection, connection_id: int) -> dict[str, int]:
    """Rows by table, of those tables that hold some; more than `MOST_COUNTED` are told as one more than that."""
    query = SQL("SELECT count(*) FROM (SELECT FROM {} WHERE {} LIMIT {}) AS row")
    counts = {}
    for table in data_tables(connection):
        whole = query.format(Identifier(table.name), table.owned, MOST_COUNTED + 1)
        row = connection.execute(whole, {"id": connection_id}).fetchone()
        counts[table.name] = row[0] if row else 0
    return {name: count for name, count in counts.items() if count}


def delete_data(connection: psycopg.Connection, connection_id: int, account_id: int) -> Iterator[tuple[str, int]]:
    """Delete it, in transactions of a batch each; gives the table and the rows of each batch that is gone.

    `connection` is in autocommit mode. Whoever writes meanwhile may leave something behind.
    """
    for table in data_tables(connection):
        while rows := _look(connection, table, connection_id):
            for start in range(0, len(rows), BATCH):
                with connection.transaction():
                    gone = _delete(connection, table, rows[start : start + BATCH], connection_id, account_id)
                yield table.name, gone


def _look(connection: psycopg.Connection, table: DataTable, connection_id: int) -> list[str]:
    query = SQL("SELECT ctid::text FROM {} WHERE {} LIMIT {}").format(Identifier(table.name), table.owned, _LOOK)
    return [row[0] for row in connection.execute(query, {"id": connection_id})]


def _delete(
    connection: psycopg.Connection, table: DataTable, rows: list[str], connection_id: int, account_id: int
) -> int:
    # A place may hold another row by now: the condition is asked again, and the lock keeps what it was asked of.
    query = SQL("SELECT ctid::text FROM {} WHERE ctid = ANY(%(rows)s::tid[]) AND {} FOR UPDATE")
    params = {"id": connection_id, "rows": rows}
    held = [row[0] for row in connection.execute(query.format(Identifier(table.name), table.owned), params)]
    if before := _BEFORE.get(table.name):
        before(connection, account_id, held)
    gone = SQL("DELETE FROM {} WHERE ctid = ANY(%s::tid[])").format(Identifier(table.name))
    return connection.execute(gone, (held,)).rowcount
