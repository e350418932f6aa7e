"""Keeps in the database how many calls this process makes to SQS, by type: what the queues cost."""

from __future__ import annotations

import threading

import psycopg

from infra.logs import get_logger
from infra.loop import LoopRunner, PassResult
from infra.postgres.arrays import numbers, texts
from infra.postgres.connect import Database, DatabaseUnreachable
from infra.queues.transport import Metered, Queues
from retinue.clock import SystemClock

#: How often it is written, in seconds.
WRITE_SECONDS = 60.0

log = get_logger(__name__)


class CallLedger:
    """Writes what was not written yet; what a lost connection leaves in doubt may count twice."""

    def __init__(self, queues: Queues, database: Database) -> None:
        """Of queues that nobody charges for nothing is written."""
        self._queues = queues if isinstance(queues, Metered) else None
        self._database = database
        self._written: dict[tuple[str, str], int] = {}
        self._one = threading.Lock()
        self._loop = LoopRunner("queue_calls", self.write, interval_seconds=WRITE_SECONDS, clock=SystemClock())

    def start(self) -> None:
        """Begin to write once a minute."""
        if self._queues is not None:
            self._loop.start()

    def stop(self, timeout: float) -> None:
        """Write the rest and end."""
        if self._queues is None:
            return
        self._loop.stop(timeout)
        try:
            self.write()
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("queue_calls_not_kept", error=str(error))

    def write(self) -> PassResult:
        """Add what was called since the last time.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was written; the next time is soon enough.
        """
        if self._queues is None:
            return PassResult()
        with self._one:
            called = dict(self._queues.charged)
            fresh = {key: count - self._written.get(key, 0) for key, count in sorted(called.items())}
            fresh = {key: count for key, count in fresh.items() if count > 0}
            if fresh:
                params = {
                    "types": texts(job_type for job_type, _ in fresh),
                    "actions": texts(action for _, action in fresh),
                    "calls": numbers(fresh.values()),
                }
                self._database.fetch("add_queue_calls", params)
                self._written = called
        return PassResult(len(fresh))
