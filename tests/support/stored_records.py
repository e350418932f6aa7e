"""A connection whose records tests merge, and what the database then holds of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from infra.postgres.connect import Database
from infra.postgres.record_feed import Change, read_changes
from infra.postgres.record_values import NewRecord
from infra.postgres.records import Merged, Target, stage_and_merge
from retinue import Connection
from tests.support.calendar_job import PlainCommit

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(seconds=seconds)


def record(external_id: str, version: int | None = 1, /, *, deleted: bool = False, **payload: Any) -> NewRecord:
    """A record with these fields; a deleted one has none unless some are given."""
    return NewRecord(external_id, version, payload if payload or not deleted else None, NOON if deleted else None)


@dataclass
class RecordAccount:
    """A connection, and merges into what it has of one kind."""

    database: Database
    connection: Connection
    kind: str = "Opportunity"
    clock: float = field(default=0)

    @property
    def target(self) -> Target:
        return Target.of(self.connection, self.kind)

    @contextmanager
    def commit(self, *, keep: bool = True) -> Iterator[PlainCommit]:
        """A transaction, rolled back at its end unless it is to be kept."""
        with self.database.transaction() as connection:
            yield PlainCommit(connection, [])
            if not keep:
                raise psycopg.Rollback

    def merge(self, *rows: NewRecord, observed: float | None = None, **how: Any) -> Merged:
        """Merge in a commit; later than all before unless it is said when they were observed, in seconds after noon."""
        self.clock += 1
        observed_at = at(self.clock if observed is None else observed)
        with self.commit() as tx:
            return stage_and_merge(tx, self.target, rows, observed_at=observed_at, **how)

    def live(self) -> dict[str, dict[str, Any]]:
        """The payloads of the records that live, as many as are counted."""
        found = dict(self._rows("external_id, payload", "deleted_at IS NULL"))
        assert self.counted() == len(found)
        return found

    def counted(self) -> int:
        """How many live, by the count that is kept."""
        query = "SELECT live FROM record_counts WHERE connection_id = %s AND kind = %s"
        with self.database.transaction() as connection:
            row = connection.execute(query, (self.connection.id, self.kind)).fetchone()
        return 0 if row is None else int(row[0])

    def versions(self) -> dict[str, int]:
        """The versions of all records, deleted ones too."""
        return dict(self._rows("external_id, version", "true"))

    def _rows(self, columns: str, where: str) -> list[tuple[Any, ...]]:
        query = f"SELECT {columns} FROM records WHERE connection_id = %s AND kind = %s AND {where}"  # noqa: S608 - tests' own
        with self.database.transaction() as connection:
            return connection.execute(query.encode(), (self.connection.id, self.kind)).fetchall()

    def feed(self, *, after: int = 0, limit: int = 1000) -> list[Change]:
        """The next changes."""
        with self.database.transaction() as connection:
            return read_changes(connection, self.connection.account_id, after=after, limit=limit)

    def told(self, *, after: int = 0) -> list[tuple[str, str]]:
        """The next changes, each as what became of which record."""
        return [(change.change, change.external_id) for change in self.feed(after=after)]


def record_account(database: Database, *, account_id: int | None = None) -> RecordAccount:
    """A connection of a new account, or of this one."""
    name = secrets.token_hex(8)
    with database.transaction() as tx:
        if account_id is None:
            account_id = tx.execute("INSERT INTO accounts (name) VALUES (%s) RETURNING id", (name,)).fetchall()[0][0]
        made = tx.execute(
            "INSERT INTO connections (account_id, provider, name, config, credentials)"
            " VALUES (%s, 'salesforce', %s, '{}', 'sealed') RETURNING id",
            (account_id, name),
        ).fetchall()
    return RecordAccount(database, Connection(made[0][0], account_id, "salesforce", name, {}, {}))


def count_rows(sql: psycopg.Connection, table: str) -> int:
    """How many rows a table has."""
    return int(sql.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()[0][0])  # noqa: S608 - tests' own names
