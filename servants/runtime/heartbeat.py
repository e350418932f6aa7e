"""The heartbeat: one statement that renews all leases held, reports the process, and learns what was asked of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.arrays import numbers, texts
from infra.postgres.connect import Database
from retinue.servant_requests import ServantRequest
from servants.runtime.charges import Charges, LaneUse
from servants.runtime.held import HeldJob, HeldJobs
from servants.runtime.performer import CANCELLED, LEASE_LOST

#: Jobs shown with the servant; the manager's page has no room for more.
MAX_SHOWN_JOBS = 20

#: So many jobs held are a crowd.
CROWD = 256

#: Progress that a bigint can keep.
_COUNTS = range(-(2**63), 2**63)

log = get_logger(__name__)


class Heartbeat:
    """Beats when `beat` is called; the loop runner decides when that is."""

    def __init__(
        self,
        database: Database,
        held: HeldJobs,
        *,
        servant_id: int,
        lease_seconds: float,
        writes: threading.Lock,
        charges: Charges,
        figures: Callable[[], dict[str, Any]],
        on_request: Callable[[ServantRequest], None] = lambda _: None,
    ) -> None:
        """`on_request` is told once of each thing that an operator asks of this servant."""
        self._database = database
        self._held = held
        self._servant_id = servant_id
        self._lease_seconds = lease_seconds
        self._writes = writes
        self._charges = charges
        self._figures = figures
        self._on_request = on_request
        self._requested: str | None = None
        self._process = psutil.Process()
        self.state = "active"

    def beat(self) -> PassResult:
        """Renew and report.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was renewed; the next beat is soon enough.
        """
        # Under the lock that settling takes, so that a job settled meanwhile is not mistaken for a lost one.
        with self._writes:
            renewed = self._to_renew()
            rows = self._report(renewed)
        self._tell(renewed, {(row[0], row[1]): row[2] for row in rows})
        self._heed(rows)
        return PassResult(len(renewed))

    def _report(self, renewed: Sequence[HeldJob]) -> list[tuple[Any, ...]]:
        self._charges.running(self._held.running(), time.monotonic())
        uses = self._charges.take()
        try:
            return self._database.fetch("heartbeat", self._params(renewed) | _columns(uses))
        except BaseException:
            self._charges.give_back(uses)
            raise

    def _to_renew(self) -> list[HeldJob]:
        """Jobs that began, and waiting ones whose lease has grown old; the newest need nothing yet.

        Of a crowd only what has grown old: every job that starts or ends causes a beat, and thousands run.
        """
        old, jobs = time.monotonic() - self._lease_seconds / 6, self._held.snapshot()
        crowd = len(jobs) > CROWD
        return [
            held
            for held in jobs
            if ((held.started_at is not None and not crowd) or (held.renewed_at or held.claimed_at) < old)
            and not held.over
        ]

    def _params(self, renewed: Sequence[HeldJob]) -> dict[str, Any]:
        running = self._held.running()
        return {
            "servant_id": self._servant_id,
            "lease_seconds": self._lease_seconds,
            "state": self.state,
            "busy": len(running),
            "memory_bytes": self._process.memory_info().rss,
            "current_jobs": json.dumps([_shown(held) for held in running[:MAX_SHOWN_JOBS]]),
            "ids": numbers(held.facts.id for held in renewed),
            "attempts": numbers(held.facts.attempt for held in renewed),
            "dones": numbers(_count(held.job and held.job.done) for held in renewed),
            "totals": numbers(_count(held.job and held.job.total) for held in renewed),
            **self._figures(),
        }

    def _tell(self, renewed: Sequence[HeldJob], answers: dict[tuple[int, int], bool]) -> None:
        now = time.monotonic()
        for held in renewed:
            held.renewed_at = now
            cancel_requested = answers.get((held.facts.id, held.facts.attempt))
            if cancel_requested is None:
                self._lose(held)
            elif cancel_requested:
                held.ask_to_stop(CANCELLED, time.monotonic())

    def _heed(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """The row that is of no job says what an operator asked of this servant."""
        request = next((row[3] for row in rows if row[0] is None), None)
        if request is not None and request != self._requested:
            log.info("servant_request_heard", servant=self._servant_id, request=request)
            self._on_request(ServantRequest(request))
        self._requested = request

    def _lose(self, held: HeldJob) -> None:
        if held.over:
            return
        log.warning("lease_lost", job=held.facts.id, attempt=held.facts.attempt, servant=self._servant_id)
        held.lost = True
        held.ask_to_stop(LEASE_LOST, time.monotonic())


def _columns(uses: Sequence[LaneUse]) -> dict[str, str]:
    return {
        "lanes": texts(use.lane for use in uses),
        "charges": numbers(use.charge for use in uses),
        "run_seconds": numbers(use.run_seconds for use in uses),
        "job_counts": numbers(use.jobs for use in uses),
    }


def _count(said: object) -> int | None:
    """Progress as a handler said it; what is no number is left out, lest it cost all jobs held their leases."""
    return said if isinstance(said, int) and not isinstance(said, bool) and said in _COUNTS else None


def _shown(held: HeldJob) -> dict[str, Any]:
    job = held.job
    return {
        "job": held.facts.id,
        "attempt": held.facts.attempt,
        "account": held.facts.account_id,
        "lane": held.facts.lane,
        "seconds": round(time.monotonic() - (held.started_at or held.claimed_at), 1),
        "done": _count(job and job.done),
        "total": _count(job and job.total),
    }
