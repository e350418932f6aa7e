"""Writes to the tables, noted down so that a transaction can be held back and made again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.ids import make_id
from infra.local.salesforce.metadata import SObject
from infra.local.salesforce.tables import quoted
from infra.local.salesforce.transactions import Statement
from infra.local.salesforce.values import Raw

Row = dict[str, Raw]
"""A record: stored values by field name."""


class Counters:
    """Numbers that are given once: of ids and of automatic numbers. A transaction undone leaves a gap."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS sandbox_counters (name TEXT PRIMARY KEY, value INTEGER)")
        self._lock = threading.Lock()
        self._values: dict[str, int] = dict(connection.execute("SELECT name, value FROM sandbox_counters"))

    def take(self, name: str, count: int = 1) -> int:
        """The first of `count` numbers that nobody had."""
        with self._lock:
            first = self._values.get(name, 0) + 1
            self._values[name] = first + count - 1
            return first


class Writer:
    """One transaction's writes; `statements` is all of them, in order, as long as `noted` is true."""

    def __init__(self, connection: sqlite3.Connection, counters: Counters) -> None:
        self.connection = connection
        self.statements: list[Statement] = []
        self.noted = True
        self._counters = counters

    def new_id(self, sobject: SObject) -> str:
        return make_id(sobject.prefix, self.number(sobject.prefix))

    def number(self, name: str, count: int = 1) -> int:
        """The next number of this name, the first of `count`."""
        first = self._counters.take(name, count)
        upsert = "ON CONFLICT (name) DO UPDATE SET value = MAX(value, excluded.value)"
        self.run(f"INSERT INTO sandbox_counters VALUES (?, ?) {upsert}", (name, first + count - 1))
        return first

    def insert(self, sobject: SObject, row: Mapping[str, Raw]) -> None:
        """Add a record."""
        columns, values = _columns(sobject, row)
        marks = ", ".join("?" * len(columns))
        self.run(f"INSERT INTO {quoted(sobject.table)} ({', '.join(columns)}) VALUES ({marks})", values)

    def insert_many(self, sobject: SObject, names: Sequence[str], rows: Iterable[Sequence[Raw]]) -> None:
        """Add many records of the same fields, without noting them down."""
        self.noted = False
        columns = [quoted(sobject.field(name).column) for name in names]
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {quoted(sobject.table)} ({', '.join(columns)}) VALUES ({marks})"
        self.connection.executemany(statement, rows)

    def update(self, sobject: SObject, record_id: str, changes: Mapping[str, Raw]) -> None:
        """Change a record; of what is as it was already, nothing is left to do."""
        if not changes:
            return
        columns, values = _columns(sobject, changes)
        assignments = ", ".join(f"{column} = ?" for column in columns)
        self.run(f"UPDATE {quoted(sobject.table)} SET {assignments} WHERE Id = ?", (*values, record_id))

    def remove(self, sobject: SObject, record_id: str) -> None:
        """Take a record out for good."""
        self.run(f"DELETE FROM {quoted(sobject.table)} WHERE Id = ?", (record_id,))

    def note_deleted(self, sobject: SObject, record_id: str, root: str, moment: datetime) -> None:
        """Put a deletion into the log; the root is the record whose deletion brought it about."""
        statement = "INSERT OR REPLACE INTO sandbox_deletions (object, id, root, deleted_at) VALUES (?, ?, ?, ?)"
        self.run(statement, (sobject.name, record_id, root, stamp(moment)))

    def forget_deleted(self, sobject: SObject, record_id: str) -> None:
        self.run("DELETE FROM sandbox_deletions WHERE object = ? AND id = ?", (sobject.name, record_id))

    def row(self, sobject: SObject, record_id: str) -> Row | None:
        """A record as the transaction sees it, deleted or not; None where there is none."""
        stored = [field for field in sobject.fields if field.stored]
        columns = ", ".join(quoted(field.column) for field in stored)
        statement = f"SELECT {columns} FROM {quoted(sobject.table)} WHERE Id = ?"
        found = self.connection.execute(statement, (record_id,)).fetchone()
        return found and {field.name: value for field, value in zip(stored, found, strict=True)}

    def ids(self, sobject: SObject, name: str, value: Raw, *, deleted: bool = False) -> list[str]:
        """The records with this value in a field, those in the recycle bin or those that are not."""
        wanted = f"SELECT Id FROM {quoted(sobject.table)} WHERE {quoted(sobject.field(name).column)} = ?"
        kept = f" AND IsDeleted = {int(deleted)}" if sobject.has_deleted else ""
        return [row[0] for row in self.connection.execute(f"{wanted}{kept} ORDER BY Id", (value,))]

    def run(self, sql: str, values: tuple[Raw, ...]) -> None:
        self.connection.execute(sql, values)
        self.statements.append((sql, values))


def _columns(sobject: SObject, row: Mapping[str, Raw]) -> tuple[list[str], tuple[Raw, ...]]:
    fields = [sobject.field(name) for name in row]
    return [quoted(field.column) for field in fields], tuple(row.values())
