"""Claims dispatched jobs: a compare-and-set on their rows, one statement for a whole receive."""

from __future__ import annotations

import threading
import time

import psycopg

from infra.logs import get_logger
from infra.postgres.arrays import numbers
from infra.postgres.connect import Database, DatabaseUnreachable
from retinue.job import JobFacts
from servants.runtime.held import HeldJob

#: Pause between two looks at a database that is away, in seconds.
RETRY_SECONDS = 0.5

log = get_logger(__name__)


class Claimer:
    """Takes the leases of one servant process."""

    def __init__(self, database: Database, *, job_type: str, servant_id: int, lease_seconds: float) -> None:
        self._database = database
        self._job_type = job_type
        self._lease = {"type": job_type, "servant_id": servant_id, "lease_seconds": lease_seconds}

    def claim(self, ids: list[int]) -> list[HeldJob]:
        """Claim those of `ids` that are still queued; the others were settled, cancelled, rescued or never there.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was claimed.
        """
        rows = self._database.fetch("claim_jobs", {**self._lease, "ids": numbers(ids)})
        now = time.monotonic()
        claimed = [HeldJob(JobFacts._make(row[:-1]), row[-1], now) for row in rows]
        if len(claimed) < len(ids):
            self._report_missed(ids, claimed)
        return claimed

    def wait_for_database(self, stopped: threading.Event) -> None:
        """Wait until the database answers or `stopped` is set."""
        while not stopped.wait(RETRY_SECONDS):
            try:
                self._database.fetch("ping")
            except (psycopg.Error, DatabaseUnreachable) as error:
                log.warning("database_away", type=self._job_type, error=str(error))
            else:
                return

    def _report_missed(self, ids: list[int], claimed: list[HeldJob]) -> None:
        found = {held.facts.id for held in claimed}
        missed = [identity for identity in ids if identity not in found]
        if missed:
            log.info("claim_missed", type=self._job_type, jobs=len(missed), first=missed[:10])
