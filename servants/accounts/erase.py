"""`account.erase`: nothing of an account is left, whatever becomes of the servant meanwhile.

First nothing works for the account any more: its schedules go, its lanes are held, what waits is cancelled, and what
runs is asked to stop. Then its data key goes, and with it all that is sealed. Then every row goes, in small
transactions, and at last the account's own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from infra.postgres.erasure import before_deletion, delete_key, erased_tables, finish_erasure
from infra.postgres.erasure_orders import Erasure
from infra.postgres.erasure_stop import cancel_next, close_account, end_running, has_jobs, running, stop_schedules
from infra.postgres.ordered_types import ERASE_TYPE
from infra.postgres.owned_tables import OwnedTable, count, delete, look
from retinue import Completed, Exponential, Job, Outcome, hours, servant
from retinue.clock import SystemClock
from retinue.outcomes import Cancelled, Snooze

#: Rows that go in one transaction, and rows that are looked for at once.
BATCH, LOOK = 2_000, 100_000

#: How long jobs that run may take to stop, and how often they are looked at.
STOP, AGAIN = timedelta(minutes=5), timedelta(seconds=2)

#: How long what was under way elsewhere may take to land, before everything is looked through once more.
SETTLING = timedelta(seconds=5)


@dataclass(slots=True)
class Place:
    """How far it is: since when it waits for jobs to stop, None once they have; how much there was; what went."""

    stopping_since: datetime | None
    total: int | None = None
    rows: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, checkpoint: Any) -> Place:
        """Where an attempt before this one came to."""
        if checkpoint is None:
            return cls(SystemClock().now())
        since = checkpoint["stopping_since"]
        return cls(since and datetime.fromisoformat(since), checkpoint["total"], Counter(checkpoint["rows"]))

    def checkpoint(self) -> dict[str, Any]:
        """What the next attempt goes on from; numbers and names of tables, and nothing of the account."""
        since = self.stopping_since and self.stopping_since.isoformat()
        return {"stopping_since": since, "total": self.total, "rows": dict(self.rows)}


@servant(ERASE_TYPE, slots=2, timeout=hours(24), retry=Exponential(base=1, cap=60, attempts=20))
def erase(job: Job[Erasure]) -> Outcome:
    """Erase the account; the result tells how many rows of each table went, and of how many tables none is left."""
    place = Place.of(job.checkpoint)
    with job.commit() as tx:
        if not close_account(tx.connection, job.payload.account_id):
            return _done(place, [])
        tx.checkpoint(place.checkpoint())
    if waits := _stop(job, place):
        return waits
    with job.commit() as tx:
        tables = erased_tables(tx.connection)
    if done := _sweep_to_the_end(job, place, tables):
        return done
    if job.cancelled.is_set():
        return Cancelled(f"{job.cancelled.reason} after {place.rows.total()} rows")
    return Snooze(SystemClock().now() + SETTLING, "looks everything through once more")


def _sweep_to_the_end(job: Job[Erasure], place: Place, tables: list[OwnedTable]) -> Completed | None:
    """Delete what there is; where there was nothing any more, it is erased. None where there may be something yet."""
    found = _sweep(job, place, tables)
    return None if found or job.cancelled.is_set() else _finish(job, place, tables)


def _stop(job: Job[Erasure], place: Place) -> Outcome | None:
    """Have nothing work for the account, also what was made since; a snooze while something runs."""
    account_id = job.payload.account_id
    with job.commit() as tx:
        place.rows += Counter(schedules=stop_schedules(tx.connection, account_id))
        tx.checkpoint(place.checkpoint())
    _cancel(job)
    since = place.stopping_since or SystemClock().now() - STOP
    if SystemClock().now() - since < STOP:
        with job.commit() as tx:
            left = len(running(tx.connection, account_id))
        if left:
            return Snooze(
                SystemClock().now() + AGAIN,
                f"waits for {left} running {'job' if left == 1 else 'jobs'} of the account to stop",
            )
    _end(job)
    if place.stopping_since is not None:
        _begin_deleting(job, place)
    return None


def _cancel(job: Job[Erasure]) -> None:
    after: int | None = 0
    while after is not None:
        with job.commit() as tx:
            after = cancel_next(tx.connection, job.payload.account_id, after)


def _end(job: Job[Erasure]) -> None:
    ended = 1
    while ended:
        with job.commit() as tx:
            ended = end_running(tx.connection, job.payload.account_id)


def _begin_deleting(job: Job[Erasure], place: Place) -> None:
    """The data key goes first: whatever comes after this commit, nothing that was sealed opens."""
    with job.commit() as tx:
        delete_key(tx.connection, job.payload.account_id)
        place.stopping_since = None
        tx.checkpoint(place.checkpoint())
    with job.commit() as tx:
        place.total = sum(count(tx.connection, table, job.payload.account_id) for table in erased_tables(tx.connection))
        tx.checkpoint(place.checkpoint())


def _sweep(job: Job[Erasure], place: Place, tables: list[OwnedTable]) -> int:
    """Delete what there is, table by table; how many rows there were. Ends early where the job is asked to stop."""
    before = place.rows.total()
    for table in tables:
        while rows := _look(job, table):
            for start in range(0, len(rows), BATCH):
                if job.cancelled.is_set():
                    return place.rows.total() - before
                _delete(job, place, table, rows[start : start + BATCH])
    return place.rows.total() - before


def _look(job: Job[Erasure], table: OwnedTable) -> list[str]:
    with job.commit() as tx:
        return look(tx.connection, table, job.payload.account_id, limit=LOOK)


def _delete(job: Job[Erasure], place: Place, table: OwnedTable, rows: list[str]) -> None:
    with job.commit() as tx:
        gone = delete(tx.connection, table, rows, job.payload.account_id, before=before_deletion(table))
        place.rows[table.whole] += gone
        tx.checkpoint(place.checkpoint())
    done = place.rows.total()
    job.progress(done, max(done, place.total or 0))


def _finish(job: Job[Erasure], place: Place, tables: list[OwnedTable]) -> Completed | None:
    done = _done(place, tables)
    with job.commit() as tx:
        if has_jobs(tx.connection, job.payload.account_id):
            return None
        finish_erasure(tx.connection, job.payload.account_id, place.rows, job_id=job.id)
        tx.complete(done)
    return done


def _done(place: Place, tables: list[OwnedTable]) -> Completed:
    return Completed({"rows": dict(sorted(place.rows.items())), "tables_without_a_row": len(tables)})
