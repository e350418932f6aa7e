"""Where in the database a text stands: every column of every table that can hold one is looked through."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Composed, Identifier

# Partitions are tables, too; views show what tables hold. S are strings, A arrays, U others such as JSON and bytes.
_COLUMNS = """
SELECT class.relname, attribute.attname, type.typname
FROM pg_class AS class
JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
JOIN pg_type AS type ON type.oid = attribute.atttypid
WHERE class.relkind = 'r' AND class.relnamespace = current_schema()::regnamespace
    AND attribute.attnum > 0 AND NOT attribute.attisdropped AND type.typcategory IN ('S', 'A', 'U')
ORDER BY class.relname, attribute.attnum
"""


@dataclass(frozen=True, slots=True)
class Trace:
    """A column in so many rows of which one of the texts stands."""

    table: str
    column: str
    rows: int


def find_traces(connection: psycopg.Connection, texts: Sequence[str]) -> list[Trace]:
    """Where one of these texts stands, in capitals or not; bytes are compared as they are, in UTF-8.

    Reads every table in full, each by a statement of its own. What is sealed or compressed is not opened.

    Raises:
        ValueError: a text is empty, and stands everywhere.
    """
    if not all(texts):
        raise ValueError("an empty text stands everywhere")
    params = {"texts": _written(texts), "bytes": [text.encode() for text in texts]}
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in connection.execute(_COLUMNS).fetchall():
        columns.setdefault(table, []).append((column, kind))
    return [trace for table, of_it in columns.items() for trace in _look_through(connection, table, of_it, params)]


def _written(texts: Sequence[str]) -> list[str]:
    """Each text as it is, and as it stands in JSON."""
    return sorted({form.lower() for text in texts for form in (text, json.dumps(text, ensure_ascii=False)[1:-1])})


def _look_through(
    connection: psycopg.Connection, table: str, columns: list[tuple[str, str]], params: Mapping[str, object]
) -> Iterator[Trace]:
    counts = SQL(", ").join(_count(column, kind) for column, kind in columns)
    found = connection.execute(SQL("SELECT {} FROM {}").format(counts, Identifier(table)), params).fetchone() or ()
    for (column, _), rows in zip(columns, found, strict=True):
        if rows:
            yield Trace(table, column, rows)


def _count(column: str, kind: str) -> Composed:
    if kind == "bytea":
        condition = SQL("EXISTS (SELECT FROM unnest(%(bytes)s::bytea[]) AS sought WHERE position(sought IN {}) > 0)")
    else:
        stands = "strpos(lower({}::text), sought) > 0"
        condition = SQL(f"EXISTS (SELECT FROM unnest(%(texts)s::text[]) AS sought WHERE {stands})")
    return SQL("count(*) FILTER (WHERE {})").format(condition.format(Identifier(column)))
