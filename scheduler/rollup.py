"""Rollup: makes the figures about the past from the history of each minute, once that has ended.

A minute is taken when no transaction is left that could still add to it: a job finishes at the start of the transaction
that settles it, and PostgreSQL shows that start (`pg_stat_activity.xact_start`) until the commit can be seen by others.
What still came later, from a session whose start is hidden from this role or that held the figures up for too long,
shows an hour later: then each minute is compared with `job_rollups`, which settles keep exact, and mended.

Figures of old minutes are folded into hours, of old hours into days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.arrays import numbers
from infra.postgres.connect import Database
from infra.postgres.statements import statement
from retinue.histogram import BOUNDS

#: Minutes made by one transaction.
BATCH = timedelta(minutes=10)

#: A transaction that stays open holds the figures up for this long and no longer.
PATIENCE = timedelta(minutes=10)

#: A transaction is shown a moment after it took its start.
MARGIN = timedelta(seconds=2)

#: A minute is compared with `job_rollups` when it is this old, and not at all once it is a day old.
CHECK_AFTER = timedelta(hours=1)
CHECK_WITHIN = timedelta(days=1)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

#: Figures of a step older than this are folded into the next.
FOLDS = ((MINUTE, HOUR, timedelta(days=2)), (HOUR, DAY, timedelta(days=35)))

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the figures have come. Nothing that has finished before `final_until` is still to come."""

    rolled_until: datetime
    checked_until: datetime
    now: datetime
    final_until: datetime

    def to_roll(self) -> tuple[datetime, datetime]:
        """The minutes to make next."""
        until = floor(self.final_until - MARGIN, MINUTE)
        return self.rolled_until, max(self.rolled_until, min(until, self.rolled_until + BATCH))

    def to_check(self, rolled_until: datetime) -> tuple[datetime, datetime]:
        """The minutes to compare next, of those that are made."""
        since = max(self.checked_until, floor(self.now - CHECK_WITHIN, MINUTE))
        return since, max(since, min(rolled_until, floor(self.now - CHECK_AFTER, MINUTE)))


class Rollup:
    """The pass. One scheduler is at it at a time; the others leave it alone."""

    def __init__(self, database: Database, *, figures_days: int) -> None:
        self._database = database
        self._kept = timedelta(days=figures_days)

    def run_once(self) -> PassResult:
        """Make the figures of the minutes that have ended, mend, fold and forget.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was changed.
        """
        with self._database.transaction() as connection:
            connection.execute(statement("begin_rollups"))
            params = {"patience_seconds": PATIENCE.total_seconds()}
            row = connection.execute(statement("take_rollup_progress"), params).fetchone()
            return PassResult() if row is None else self._advance(connection, Progress(*row))

    def _advance(self, connection: psycopg.Connection, progress: Progress) -> PassResult:
        since, rolled_until = progress.to_roll()
        _roll(connection, since, rolled_until)
        check_since, checked_until = progress.to_check(rolled_until)
        _mend(connection, check_since, checked_until)
        moved = {"rolled_until": rolled_until, "checked_until": checked_until}
        connection.execute(statement("advance_rollups"), moved)
        folded = sum(
            [_fold(connection, step, into, min(progress.now - age, rolled_until)) for step, into, age in FOLDS]
        )
        self._forget(connection, progress.now - self._kept)
        minutes = (rolled_until - since) // MINUTE
        return PassResult(minutes, again_after=0 if folded or rolled_until - since == BATCH else None)

    def _forget(self, connection: psycopg.Connection, until: datetime) -> None:
        for step in (MINUTE, HOUR, DAY):
            connection.execute(
                statement("forget_figures"), {"step_seconds": step.total_seconds(), "until": floor(until, DAY)}
            )


def floor(moment: datetime, step: timedelta) -> datetime:
    """The start of the minute, hour or day, in UTC, that `moment` lies in."""
    return moment - (moment - datetime(2001, 1, 1, tzinfo=UTC)) % step


def _roll(connection: psycopg.Connection, since: datetime, until: datetime) -> None:
    if since == until:
        return
    span = {"since": since, "until": until}
    for (job_type,) in connection.execute(statement("list_rollup_types"), span).fetchall():
        _roll_type(connection, job_type, since, until)


def _roll_type(connection: psycopg.Connection, job_type: str, since: datetime, until: datetime) -> None:
    """Make these minutes' figures, whether or not they were made before."""
    span = {"type": job_type, "since": since, "until": until}
    connection.execute(statement("forget_minutes"), span)
    connection.execute(statement("roll_minutes"), span | {"bounds": numbers(BOUNDS)})


def _mend(connection: psycopg.Connection, since: datetime, until: datetime) -> None:
    if since == until:
        return
    wrong: Sequence[tuple[datetime, str]] = connection.execute(
        statement("list_minutes_to_mend"), {"since": since, "until": until}
    ).fetchall()
    for minute, job_type in wrong:
        log.info("figures_mended", type=job_type, minute=minute.isoformat())
        _roll_type(connection, job_type, minute, minute + MINUTE)


def _fold(connection: psycopg.Connection, step: timedelta, into: timedelta, until: datetime) -> int:
    """Fold the oldest hour or day that ended before `until`; whether there was one."""
    seconds = {"step_seconds": step.total_seconds(), "into_seconds": into.total_seconds()}
    oldest = connection.execute(statement("oldest_figures"), seconds | {"until": floor(until, into)}).fetchone()
    if oldest is None or oldest[0] is None:
        return 0
    since = floor(oldest[0], into)
    connection.execute(statement("fold_figures"), seconds | {"since": since, "until": since + into})
    return 1
