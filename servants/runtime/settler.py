"""Writes outcomes in batches: one transaction for all that finished while the last one was being written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

import psycopg
from psycopg.errors import ProgramLimitExceeded, ReadOnlySqlTransaction

from infra.logs import get_logger
from infra.postgres.anomaly_sightings import Sighting, write_sightings
from infra.postgres.connect import Database, DatabaseUnreachable
from infra.postgres.settle import settle_jobs
from retinue.order import StrictOrder, keep_order
from retinue.settlement import unwritable
from retinue.states import Reason
from servants.runtime.held import HeldJobs
from servants.runtime.performer import Performed

#: Outcomes written by one transaction.
MAX_BATCH = 1000

#: The database is away, or has become one that may not be written to.
_AWAY = (psycopg.OperationalError, ReadOnlySqlTransaction, DatabaseUnreachable)

#: Waits between tries while the database is away, in seconds.
_BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0)

log = get_logger(__name__)


class Settler:
    """Collects what was performed and settles it; `put` never blocks."""

    def __init__(
        self,
        database: Database,
        held: HeldJobs,
        *,
        servant_id: int,
        writes: threading.Lock,
        order: StrictOrder | None,
        on_settled: Callable[[int, bool], None],
        on_written: Callable[[Sequence[Performed]], None] = lambda _: None,
    ) -> None:
        """`on_settled` is told how many were let go, `on_written` which of them have had their outcome written."""
        self._database = database
        self._held = held
        self._servant_id = servant_id
        self._writes = writes
        self._order = order
        self._on_settled = on_settled
        self._on_written = on_written
        self._finished: SimpleQueue[Performed | None] = SimpleQueue()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="settle", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, performed: Performed) -> None:
        """Settle this attempt soon."""
        self._finished.put(performed)

    def stop(self, timeout: float) -> None:
        """Settle what was put, and end; give up after `timeout` seconds: the leases then run out and are rescued."""
        self._finished.put(None)
        self._thread.join(timeout)
        self._given_up.set()

    def _serve(self) -> None:
        open_ = True
        while open_:
            batch, open_ = self._next_batch()
            try:
                if batch:
                    self._settle_until_written(batch)
            except Exception:
                # Without this thread nothing is settled and every lease is renewed: the process would stand still.
                log.exception("settle_raised", jobs=len(batch))
                self._held.remove([performed.held for performed in batch])

    def _next_batch(self) -> tuple[list[Performed], bool]:
        """Wait for one outcome, then take whatever else is there; False once the queue has ended."""
        batch: list[Performed] = []
        performed = self._finished.get()
        while performed is not None:
            batch.append(performed)
            if len(batch) >= MAX_BATCH:
                return batch, True
            try:
                performed = self._finished.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _settle_until_written(self, batch: Sequence[Performed]) -> None:
        tries = 0
        while not self._given_up.is_set():
            try:
                return self._settle(batch)
            except ProgramLimitExceeded as error:
                # Operational by its class, but it is the outcome that is too large: it would be refused for ever.
                return self._settle_apart(batch, error)
            except _AWAY as error:
                log.warning("settle_failed", jobs=len(batch), error=str(error))
                self._given_up.wait(_BACKOFF[min(tries, len(_BACKOFF) - 1)])
                tries += 1
            except Exception as error:  # noqa: BLE001 - whatever one outcome does, the others are settled
                return self._settle_apart(batch, error)
        return None

    def _settle_apart(self, batch: Sequence[Performed], error: Exception) -> None:
        """One outcome in the batch cannot be stored: settle each alone, and that one as failed."""
        if len(batch) > 1:
            for performed in batch:
                self._settle_until_written([performed])
            return
        (performed,) = batch
        if performed.settlement is None or performed.settlement.reason is Reason.PERMANENT:
            # No longer held, its lease runs out, and rescue takes the job.
            log.error("outcome_dropped", job=performed.held.facts.id, error=str(error))
            self._held.remove([performed.held])
            return
        log.error("outcome_not_storable", job=performed.held.facts.id, error=str(error))
        failed = unwritable(performed.settlement, f"the outcome cannot be stored: {error}")
        self._settle_until_written([performed._replace(settlement=failed)])

    def _settle(self, batch: Sequence[Performed]) -> None:
        unwritten = [performed for performed in batch if performed.settlement is not None]
        completed = [p for p in batch if _completed_itself(p)] if len(unwritten) < len(batch) else []
        with self._writes:
            written, woken = self._write(unwritten, completed)
            self._held.remove([performed.held for performed in batch])
        self._on_settled(len(batch), woken)
        self._on_written(written + completed)

    def _write(self, batch: Sequence[Performed], completed: Sequence[Performed]) -> tuple[list[Performed], bool]:
        """Those that still held their job, and whether lanes were woken; `completed` have only anomalies to write."""
        left = _sightings(completed)
        if not batch and not left:
            return [], False
        settlements = [
            (keep_order(p.settlement, self._order), p.run_seconds) for p in batch if p.settlement is not None
        ]
        with self._database.transaction() as connection:
            settled = settle_jobs(connection, settlements, shard=self._servant_id % 16)
            told = [p for p in batch if (p.held.facts.id, p.held.facts.attempt) in settled.done]
            write_sightings(connection, _sightings(told) + left)
        written = []
        for performed in batch:
            facts = performed.held.facts
            if (facts.id, facts.attempt) in settled.done:
                written.append(performed)
            else:
                log.warning("outcome_superseded", job=facts.id, attempt=facts.attempt, servant=self._servant_id)
        return written, settled.lanes_woken


def _sightings(batch: Sequence[Performed]) -> list[Sighting]:
    """The anomalies that these attempts reported and no commit of theirs has written. They have ended: none follows."""
    jobs = [performed.held.job for performed in batch]
    return [one for job in jobs if job is not None and job.noted for one in job.noted.pending()]


def _completed_itself(performed: Performed) -> bool:
    job = performed.held.job
    return performed.settlement is None and job is not None and job.settled
