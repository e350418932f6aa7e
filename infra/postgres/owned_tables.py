"""Everything that belongs to one row elsewhere: found in PostgreSQL's catalogue, so that no table is forgotten.

A table belongs to it where it has a certain column, such as `account_id`, or where its rows refer to rows that do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Composable, Identifier

# The partitions of a table are tables, too, and hold its rows.
_TABLES = """
SELECT class.relname, coalesce(whole.relname, class.relname)
FROM pg_class AS class
JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
LEFT JOIN pg_inherits AS part ON part.inhrelid = class.oid
LEFT JOIN pg_class AS whole ON whole.oid = part.inhparent
WHERE class.relkind = 'r' AND class.relnamespace = current_schema()::regnamespace
    AND attribute.attname = %s AND NOT attribute.attisdropped
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


@dataclass(frozen=True, slots=True)
class OwnedTable:
    """A table; `owned` is the condition for its rows that belong to `%(id)s`, `whole` the table it is a partition of.

    A table that is no partition is its own whole.
    """

    name: str
    owned: Composable
    whole: str


#: What else changes when rows of a table go: called with their places, which are locked.
Before = Callable[[psycopg.Connection, Sequence[str]], None]


def owned_tables(connection: psycopg.Connection, column: str, *, without: Collection[str] = ()) -> list[OwnedTable]:
    """The tables that have `column` or refer to such, none before those whose rows refer to its rows.

    Those that refer to none come first of all.
    """
    wholes = {name: whole for name, whole in connection.execute(_TABLES, (column,)) if whole not in without}
    references: dict[str, list[tuple[str, str, str]]] = {}
    for child, own_column, parent, key in connection.execute(_REFERENCES).fetchall():
        references.setdefault(child, []).append((own_column, parent, key))
    own = SQL("{} = %(id)s").format(Identifier(column))
    conditions: dict[str, Composable] = dict.fromkeys(wholes, own)
    while more := _reached(conditions, references, without):
        conditions.update(more)
    ordered = _children_first(conditions, references)
    return [OwnedTable(name, conditions[name], wholes.get(name, name)) for name in ordered]


def _reached(
    conditions: Mapping[str, Composable],
    references: Mapping[str, list[tuple[str, str, str]]],
    without: Collection[str],
) -> dict[str, Composable]:
    """The tables that refer to those, and are not among them yet."""
    return {
        child: SQL("{} IN (SELECT {} FROM {} WHERE {})").format(
            Identifier(column), Identifier(key), Identifier(parent), conditions[parent]
        )
        for child, refers in references.items()
        if child not in conditions and child not in without
        for column, parent, key in refers
        if parent in conditions
    }


def _children_first(
    conditions: Mapping[str, Composable], references: Mapping[str, list[tuple[str, str, str]]]
) -> Iterator[str]:
    left = dict.fromkeys(sorted(conditions, key=lambda name: (name in references, name)))
    while left:
        parents = {parent for child in left for _, parent, _ in references.get(child, ())}
        free = [name for name in left if name not in parents] or list(left)
        for name in free:
            del left[name]
        yield from free


def look(connection: psycopg.Connection, table: OwnedTable, identity: int, *, limit: int) -> list[str]:
    """The places of rows that belong to it, at most `limit`."""
    query = SQL("SELECT ctid::text FROM {} WHERE {} LIMIT {}").format(Identifier(table.name), table.owned, limit)
    return [row[0] for row in connection.execute(query, {"id": identity})]


def delete(
    connection: psycopg.Connection,
    table: OwnedTable,
    rows: Sequence[str],
    identity: int,
    *,
    before: Before | None = None,
) -> int:
    """Delete the rows at these places that belong to it still, in the caller's transaction; how many."""
    # A place may hold another row by now: the condition is asked again, and the lock keeps what it was asked of.
    query = SQL("SELECT ctid::text FROM {} WHERE ctid = ANY(%(rows)s::tid[]) AND {} FOR UPDATE")
    params = {"id": identity, "rows": list(rows)}
    held = [row[0] for row in connection.execute(query.format(Identifier(table.name), table.owned), params)]
    if before is not None:
        before(connection, held)
    gone = SQL("DELETE FROM {} WHERE ctid = ANY(%s::tid[])").format(Identifier(table.name))
    return connection.execute(gone, (held,)).rowcount


def count(connection: psycopg.Connection, table: OwnedTable, identity: int, *, most: int | None = None) -> int:
    """How many rows belong to it; none is counted beyond `most`."""
    query = SQL("SELECT count(*) FROM (SELECT FROM {} WHERE {} LIMIT {}) AS row")
    whole = query.format(Identifier(table.name), table.owned, most)
    row = connection.execute(whole, {"id": identity}).fetchone()
    return row[0] if row else 0
