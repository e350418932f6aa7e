"""Rescue: takes back jobs whose lease ran out or whose message was lost, and notes servants that fell silent."""

from __future__ import annotations

import psycopg

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.connect import Database
from infra.postgres.settle import Entry, settle_jobs
from infra.postgres.statements import statement
from retinue.order import StrictOrder, keep_order
from retinue.settlement import TRIAL_DEATHS, Settlement, kept_error, poisoned
from retinue.states import JobState, Reason

#: A job whose servant dies this many times in a row fails as poison, if it had begun the last time.
POISON_DEATHS = TRIAL_DEATHS + 1

#: A job that was rescued twice waits this long for its next try, so that it cannot fell a fleet in one go.
BACKOFF_SECONDS = 5

#: Jobs taken by one statement.
BATCH = 1000

log = get_logger(__name__)


class Rescue:
    """The pass."""

    def __init__(self, database: Database, *, queued_timeout_seconds: float, lost_seconds: float) -> None:
        self._database = database
        self._queued_timeout_seconds = queued_timeout_seconds
        self._lost_seconds = lost_seconds

    def run_once(self) -> PassResult:
        """Take back what is lost.

        Raises:
            DatabaseUnreachable, psycopg.Error: what was not committed stays for the next run.
        """
        taken = self._expired() + self._spent() + self._undelivered()
        self._lost_servants()
        return PassResult(taken, again_after=0 if taken >= BATCH else None)

    def _expired(self) -> int:
        params = {"poison_deaths": POISON_DEATHS, "backoff_seconds": BACKOFF_SECONDS, "limit": BATCH}
        rows = self._database.fetch("rescue_expired_jobs", params)
        for identity, attempt, job_type, account_id in rows:
            log.warning("job_rescued", job=identity, attempt=attempt, type=job_type, account=account_id)
        return len(rows)

    def _spent(self) -> int:
        """Expired jobs that will not be tried again: poison, and those whose cancellation was asked for."""
        with self._database.transaction() as connection:
            entries = _spent_entries(connection)
            settle_jobs(connection, entries, shard=0)
        for settlement, _ in entries:
            log.warning("job_given_up", job=settlement.job_id, state=settlement.state, reason=settlement.reason)
        return len(entries)

    def _undelivered(self) -> int:
        params = {"queued_timeout_seconds": self._queued_timeout_seconds, "limit": BATCH}
        rows = self._database.fetch("rescue_undelivered_jobs", params)
        if rows:
            log.warning("jobs_undelivered", jobs=len(rows), first=[row[0] for row in rows[:10]])
        return len(rows)

    def _lost_servants(self) -> None:
        for servant_id, job_type, host, pid in self._database.fetch(
            "mark_lost_servants", {"lost_seconds": self._lost_seconds}
        ):
            log.warning("servant_lost", servant=servant_id, type=job_type, host=host, pid=pid)


def _spent_entries(connection: psycopg.Connection) -> list[Entry]:
    params = {"poison_deaths": POISON_DEATHS, "limit": BATCH}
    return [(_give_up(*row), None) for row in connection.execute(statement("lock_spent_jobs"), params)]


def _give_up(
    identity: int, attempt: int, servant_id: int, cancel_requested: bool, deaths: int, order: str | None
) -> Settlement:
    if cancel_requested:
        error = kept_error("Cancelled", "asked for; its servant died before it could stop")
        return Settlement(job_id=identity, attempt=attempt, state=JobState.CANCELLED, reason=Reason.CANCEL, error=error)
    poison = poisoned(identity, attempt, f"servant {servant_id} was the {deaths + 1}. in a row to die with this job")
    return keep_order(poison, StrictOrder(order) if order else None)
