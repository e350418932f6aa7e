"""What a job may do while it runs: commit under its fence, open a connection, report an anomaly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import psycopg

from infra.postgres.anomaly_sightings import Sighting, write_sightings
from infra.postgres.bell import Bell
from infra.postgres.connect import Database
from infra.postgres.enqueue import NewJob
from infra.postgres.groups import Parent, StoredGroup, enqueue_group
from infra.postgres.settle import settle_jobs
from infra.postgres.statements import statement
from infra.postgres.vault import Vault
from infra.secrets import Keyring
from retinue.connection import Connection
from retinue.errors import LeaseLost, PermanentError
from retinue.job import BaseJob, Job, JobFacts
from retinue.outcomes import Completed
from retinue.settlement import Settlement, completed
from servants.runtime import anomalies
from servants.runtime.budget_leases import BudgetLeases
from servants.runtime.calls import CountedCalls
from servants.runtime.gate import Gate

if TYPE_CHECKING:
    from infra.otel import Tracing

#: What is said to whoever writes through a commit whose block has ended.
OVER = "this commit is over: open another one to write more"


class FencedCommit:
    """One transaction of one attempt: see `retinue.job.Commit`."""

    def __init__(self, connection: psycopg.Connection, job: BaseJob[Any]) -> None:
        self._connection: psycopg.Connection | None = connection
        self._job = job
        self._checkpoint: str | None = None
        self._completed: Settlement | None = None
        self._sighted: list[Sighting] = []
        self.lanes_woken = False

    @property
    def connection(self) -> psycopg.Connection:
        if self._connection is None:
            raise psycopg.InterfaceError(OVER)
        return self._connection

    def close(self) -> None:
        """The connection is somebody else's from here on: what is written through it now would land unfenced."""
        self._connection = None

    def execute(self, query: Any, params: Any = None) -> psycopg.Cursor[Any]:
        return self.connection.execute(query, params)

    def checkpoint(self, value: Any) -> None:
        self._checkpoint = json.dumps(value, allow_nan=False)

    def complete(self, outcome: Completed) -> None:
        settlement = completed(self._job.id, self._job.attempt, outcome)
        if settlement.error is not None:
            # Raised, so that nothing lands: the job fails, and a later retry must not meet its half-kept effects.
            raise PermanentError(settlement.error["message"])
        self._completed = settlement

    def group(self, children: Iterable[NewJob] = (), *, name: str, **rules: Any) -> StoredGroup:
        parent = Parent(self._job.id, self._job.facts.group_id)
        # Its children are told of when this transaction lands.
        self.lanes_woken = True
        return enqueue_group(self.connection, children, name=name, parent=parent, **rules)

    def hold_fence(self) -> None:
        """Lock the job's row so that nobody can rescue it before this transaction ends.

        The lock leaves room for heartbeats and for a request to cancel.
        """
        fence = {"id": self._job.id, "attempt": self._job.attempt}
        if self.connection.execute(statement("hold_fence"), fence).fetchone() is None:
            raise LeaseLost(f"attempt {self._job.attempt} no longer holds job {self._job.id}; nothing was written")

    def write_job(self, shard: int) -> None:
        """Write what was said about the job itself, last, so that its row is locked briefly."""
        if self._job.noted is not None:
            self._sighted = self._job.noted.take()
            write_sightings(self.connection, self._sighted)
        if self._checkpoint is not None:
            params = {"id": self._job.id, "attempt": self._job.attempt, "checkpoint": self._checkpoint}
            self.connection.execute(statement("save_checkpoint"), params)
        if self._completed is not None:
            ran = time.monotonic() - self._job.began
            settled = settle_jobs(self.connection, [(self._completed, ran)], shard=shard)
            self.lanes_woken |= settled.lanes_woken

    @property
    def completes(self) -> bool:
        """Whether this transaction settles the job."""
        return self._completed is not None

    def landed(self) -> None:
        """The transaction has committed: a next commit of this attempt starts from its checkpoint."""
        if self._checkpoint is not None:
            self._job.checkpoint = json.loads(self._checkpoint)
        self._sighted = []

    def failed(self) -> None:
        """The transaction did not commit: what it wrote of anomalies is written by the next one."""
        if self._sighted:
            self._job.noted.give_back(self._sighted)


class Services:
    """`JobServices` over PostgreSQL."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        bell: Bell,
        *,
        servant_id: int,
        leases: BudgetLeases | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.database = database
        self._vault = Vault(database.url, keyring)
        self._leases = leases or BudgetLeases(database, servant_id=servant_id, lease_seconds=30)
        self.gate = Gate(database, self._leases, on_released=bell.ring)
        self._bell = bell
        self._servant_id = servant_id
        self.tracing = tracing

    @contextmanager
    def commit(self, job: Job[Any]) -> Iterator[FencedCommit]:
        settled_before = job.settled
        tx: FencedCommit | None = None
        try:
            with (
                self.span(job.facts),
                self.database.transaction() as connection,
                closing(FencedCommit(connection, job)) as tx,
            ):
                tx.hold_fence()
                yield tx
                tx.write_job(self.shard)
                # Said before the commit: a heartbeat that finds the row gone must not take the lease for lost.
                job.settled = tx.completes
        except BaseException:
            job.settled = settled_before
            if tx is not None:
                tx.failed()
            raise
        self.landed(tx)

    @property
    def shard(self) -> int:
        """Which of the counters this servant adds to."""
        return self._servant_id % 16

    def landed(self, tx: FencedCommit) -> None:
        """The transaction has committed."""
        tx.landed()
        if tx.lanes_woken:
            self._bell.ring()

    def span(self, facts: JobFacts) -> AbstractContextManager[None]:
        """The span around a commit."""
        return nullcontext() if self.tracing is None else self.tracing.commit(facts)

    def connection(self, job: BaseJob[Any], connection_id: int) -> Connection:
        row, passage = self.gate.open(job, connection_id)
        calls = CountedCalls(self.gate, self._leases, passage, priority=job.facts.priority)
        credentials = self._vault.open(row.id, row.sealed)
        return Connection(row.id, row.account_id, row.provider, row.name, row.config, credentials, calls, self._vault)

    def anomaly(self, job: BaseJob[Any], name: str, fields: Mapping[str, Any]) -> None:
        anomalies.report(job, name, fields)
