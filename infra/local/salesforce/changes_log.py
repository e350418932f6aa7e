"""What was changed and deleted in a span of time ("sObject Get Updated", "sObject Get Deleted")."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from infra.local.salesforce.clock import parse_stamp, stamp
from infra.local.salesforce.metadata import SObject
from infra.local.salesforce.store import Store
from infra.local.salesforce.tables import quoted

if TYPE_CHECKING:
    from infra.local.salesforce.org import Org

#: How long a record stays in the recycle bin, and its deletion in the log.
KEPT = timedelta(days=15)


@dataclass(frozen=True)
class DeletedRow:
    """A record's deletion."""

    id: str
    deleted_at: datetime


class ChangesLog:
    """Reads what happened to records; forgets what is old."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.write() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS sandbox_forgotten (object TEXT PRIMARY KEY, until TEXT)")

    def updated_ids(self, sobject: SObject, start: datetime, end: datetime, *, limit: int) -> list[str]:
        """Records that were stamped from `start` until before `end` and are not deleted."""
        kept = " AND IsDeleted = 0" if sobject.has_deleted else ""
        wanted = f"SELECT Id FROM {quoted(sobject.table)} WHERE SystemModstamp >= ? AND SystemModstamp < ?{kept}"
        with self._store.read() as connection:
            found = connection.execute(f"{wanted} ORDER BY Id LIMIT ?", (stamp(start), stamp(end), limit))
            return [row[0] for row in found]

    def deleted_rows(self, sobject: SObject, start: datetime, end: datetime, *, limit: int) -> list[DeletedRow]:
        """Records that were deleted from `start` until before `end` and not brought back."""
        wanted = "SELECT id, deleted_at FROM sandbox_deletions WHERE object = ? AND deleted_at >= ? AND deleted_at < ?"
        values = (sobject.name, stamp(start), stamp(end), limit)
        with self._store.read() as connection:
            found = connection.execute(f"{wanted} ORDER BY deleted_at, id LIMIT ?", values)
            return [DeletedRow(row[0], parse_stamp(row[1])) for row in found]

    def earliest(self, sobject: SObject, now: datetime) -> datetime:
        """From when on the log is whole (`earliestDateAvailable`)."""
        with self._store.read() as connection:
            found = connection.execute(
                "SELECT until FROM sandbox_forgotten WHERE object = ?", (sobject.name,)
            ).fetchone()
        return max(parse_stamp(found[0]), now - KEPT) if found else now - KEPT

    def forget(self, sobject: SObject, until: datetime) -> int:
        """Drop an object's log before a moment, as the purge job does when the log is large; the rows dropped."""
        with self._store.write() as connection:
            later = "ON CONFLICT DO UPDATE SET until = MAX(until, excluded.until)"
            connection.execute(f"INSERT INTO sandbox_forgotten VALUES (?, ?) {later}", (sobject.name, stamp(until)))
            values = (sobject.name, stamp(until))
            return connection.execute(
                "DELETE FROM sandbox_deletions WHERE object = ? AND deleted_at < ?", values
            ).rowcount

    def empty_bin(self, sobject: SObject, until: datetime) -> int:
        """Take out for good what was deleted before a moment; how many."""
        if not sobject.has_deleted:
            return 0
        with self._store.write() as connection:
            return _empty(connection, sobject, until)


def _empty(connection: sqlite3.Connection, sobject: SObject, until: datetime) -> int:
    old = "SELECT id FROM sandbox_deletions WHERE object = ? AND deleted_at < ?"
    statement = f"DELETE FROM {quoted(sobject.table)} WHERE IsDeleted = 1 AND Id IN ({old})"
    return connection.execute(statement, (sobject.name, stamp(until))).rowcount


def empty_bins(org: Org, before: datetime | None = None) -> int:
    """Take out for good what was deleted before a moment, by itself 15 days ago; how many records."""
    until = before or org.clock.now() - KEPT
    return sum(org.log.empty_bin(sobject, until) for sobject in org.full_schema().objects)


def purge_log(org: Org, sobject: SObject, before: datetime) -> int:
    """Drop an object's deletions before a moment from the log; how many."""
    return org.log.forget(sobject, before)
