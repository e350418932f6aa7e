"""Imports: the first reading of a connection, its recent weeks first; how far it is and how long it may still take.

The writers run inside the caller's transaction, the last statement of it where several jobs advance the same import.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import psycopg

from infra.postgres.rows import rows_as
from infra.postgres.statements import statement

#: No estimate before the rate was seen over so many seconds, or when nothing has come for so long.
SEEN_SECONDS = 30
STALLED_SECONDS = 300


class Kind(StrEnum):
    """What a connection brings."""

    EMAIL = "email"
    CALENDAR = "calendar"
    SALESFORCE = "salesforce"


class Stage(StrEnum):
    """What of an import is to be done next."""

    RECENT = "recent"  # it has not begun, or its recent weeks are not in
    HISTORY = "history"  # the jobs of its group read the rest
    OVER = "over"  # they have ended, whatever became of them, or there are none


class Executor(Protocol):
    """A commit or a connection."""

    def execute(self, query: Any, params: Any = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Import:
    """How far an import is; `total` and `done` count messages or calendar objects.

    `marked_at` and `marked_done` are how far it was a minute or two before `now`, or at its beginning.
    """

    connection_id: int
    kind: Kind
    group_id: int | None
    total: int
    done: int
    started_at: datetime
    recent_at: datetime | None
    finished_at: datetime | None
    marked_at: datetime
    marked_done: int
    advanced_at: datetime | None
    now: datetime = field(compare=False)

    @property
    def percent(self) -> int:
        """100 means finished: everything is in and was compared with the server."""
        if self.finished_at is not None:
            return 100
        return min(99, 100 * self.done // self.total) if self.total else 0

    @property
    def left(self) -> timedelta | None:
        """How long it will take at the rate of the last minutes; None where that says nothing."""
        if self.finished_at is not None or self.advanced_at is None:
            return None
        seen, gained = self.now - self.marked_at, self.done - self.marked_done
        stalled = self.now - self.advanced_at > timedelta(seconds=STALLED_SECONDS)
        if stalled or gained <= 0 or seen < timedelta(seconds=SEEN_SECONDS):
            return None
        return max(0, self.total - self.done) * seen / gained


def begin_import(tx: Executor, *, connection_id: int, account_id: int, kind: Kind, total: int, done: int = 0) -> None:
    """Note how many things there are to read and how many of them are in; one that is unfinished is corrected."""
    params = {"connection_id": connection_id, "account_id": account_id, "kind": kind, "total": total, "done": done}
    tx.execute(statement("begin_import"), params)


def note_recent(tx: Executor, connection_id: int, kind: Kind, *, group_id: int | None = None) -> None:
    """Note that the recent weeks are in, and which group reads the rest."""
    tx.execute(statement("note_recent_import"), {"connection_id": connection_id, "kind": kind, "group_id": group_id})


def add_done(tx: Executor, connection_id: int, kind: Kind, count: int) -> None:
    """Note that so many more are in. Nothing happens once the import is finished, or where there is none."""
    tx.execute(statement("advance_import"), {"connection_id": connection_id, "kind": kind, "count": count})


def finish_import(tx: Executor, connection_id: int, kind: Kind) -> None:
    """Note that all is in and was compared. Nothing happens before the recent weeks are in, or where it is known."""
    tx.execute(statement("finish_import"), {"connection_id": connection_id, "kind": kind})


def stage_of(tx: Executor, connection_id: int, kind: Kind) -> Stage:
    """Where the connection's import stands."""
    row = tx.execute(statement("find_import_stage"), {"connection_id": connection_id, "kind": kind}).fetchone()
    return Stage.RECENT if row is None else Stage(row[0])


def is_unstarted(tx: Executor, connection_id: int, kind: Kind) -> bool:
    """Whether the connection's recent weeks are still to be read."""
    return stage_of(tx, connection_id, kind) is Stage.RECENT


def is_finished(tx: Executor, connection_id: int, kind: Kind) -> bool:
    """Whether all is in."""
    params = {"connection_id": connection_id, "kind": kind}
    return tx.execute(statement("find_finished_import"), params).fetchone() is not None


def imports_of(connection: psycopg.Connection, connection_ids: Collection[int]) -> dict[int, Import]:
    """The imports of these connections, by connection; each has at most one."""
    found = rows_as(connection, Import, "list_imports", {"connection_ids": sorted(connection_ids)})
    return {one.connection_id: one for one in found}


def import_of_group(connection: psycopg.Connection, group_id: int) -> Import | None:
    """The import whose history the jobs of a group read."""
    row = connection.execute(statement("find_import_of_group"), {"group_id": group_id}).fetchone()
    return None if row is None else imports_of(connection, [row[0]]).get(row[0])


def progress_words(found: Import | None) -> str:
    """What a list shows of an import: nothing where there is none or all is in."""
    if found is None or found.finished_at is not None:
        return ""
    if found.recent_at is None:
        return f"{found.percent} %, recent weeks first"
    left = found.left
    return f"{found.percent} %" if left is None else f"{found.percent} %, about {_rounded(left)} left"


def _rounded(left: timedelta) -> str:
    """No more exactly than an estimate is worth."""
    minutes = left.total_seconds() / 60
    if minutes < 1.5:
        return "1 min"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"
