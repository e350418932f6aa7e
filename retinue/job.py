"""What a handler receives: the job's values and the few things it may do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel

from retinue.connection import Connection
from retinue.errors import JobCancelled
from retinue.groups import Group
from retinue.outcomes import Completed

P = TypeVar("P", bound=BaseModel)


class JobFacts(NamedTuple):
    """A claimed job's row, as far as its handler and the log lines need it; in the order of `claim_jobs`."""

    id: int
    type: str
    attempt: int
    account_id: int | None
    lane: str
    failures: int
    checkpoint: Any
    request_id: str | None
    fire_at: datetime | None
    deaths: int = 0
    #: Seconds that its lane was charged with when it was dispatched.
    charged_seconds: float = 0.0
    traceparent: str | None = None
    group_id: int | None = None
    priority: int = 5
    #: Seconds from when it was due until this claim.
    waited_seconds: float = 0.0


class Commit(Protocol):
    """One fenced transaction: what is written through it lands together, or not at all."""

    @property
    def connection(self) -> Any:
        """The psycopg connection of the transaction. `Any` because the kernel does not import the driver."""

    def execute(self, query: str, params: Any = None) -> Any:
        """Run one statement and return psycopg's cursor."""

    def checkpoint(self, value: Any) -> None:
        """Let a later attempt start from `value` (JSON) if this transaction commits."""

    def complete(self, outcome: Completed) -> None:
        """Settle the job as completed in this very transaction."""

    def group(self, children: Iterable[Any] = (), *, name: str, **rules: Any) -> Group:
        """Make a group of jobs whose parent this job is; see `infra.postgres.groups.enqueue_group`.

        A later attempt finds the group of that name that an earlier one made, and makes no children.
        """


class JobServices(Protocol):
    """What the runtime does for a job; the double in tests and the runtime in servants implement it."""

    def commit(self, job: Job[Any]) -> AbstractContextManager[Commit]: ...

    def connection(self, job: Job[Any], connection_id: int) -> Connection: ...

    def anomaly(self, job: Job[Any], name: str, fields: Mapping[str, Any]) -> None: ...


class Cancellation:
    """Set when a person cancels, the time limit passes, the lease is lost or the servant drains: `reason` says why.

    The event behind it is made when somebody waits: most jobs never do, and making one costs more than an idle job.
    """

    __slots__ = ("_event", "reason")

    #: Guards the making of an event; held for a moment.
    _making = threading.Lock()

    def __init__(self) -> None:
        self.reason = ""
        self._event: threading.Event | None = None

    def is_set(self) -> bool:
        """Whether the job was asked to stop."""
        return bool(self.reason)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job is asked to stop, at most `timeout` seconds; whether it was."""
        with self._making:
            if self._event is None:
                self._event = threading.Event()
            if self.reason:
                self._event.set()
        return self._event.wait(timeout)

    def ask(self, reason: str) -> None:
        """Ask the job to stop; the first reason stays."""
        with self._making:
            self.reason = self.reason or reason
            if self._event is not None:
                self._event.set()


class Asked(Protocol):
    """What a job that may be asked to stop has as `cancelled`."""

    reason: str

    def is_set(self) -> bool: ...

    def ask(self, reason: str) -> None: ...


class BaseJob(Generic[P]):
    """What `Job` and `AsyncJob` share: one attempt's values, and how far it is."""

    __slots__ = (
        "_services",
        "began",
        "cancelled",
        "checkpoint",
        "done",
        "facts",
        "noted",
        "payload",
        "settled",
        "total",
    )

    #: What makes `cancelled`.
    _cancellation: ClassVar[type[Any]]
    cancelled: Asked

    def __init__(self, facts: JobFacts, payload: P, services: Any) -> None:
        self.facts = facts
        self.payload = payload
        self.cancelled = self._cancellation()
        #: When the attempt began, by the monotonic clock.
        self.began = time.monotonic()
        self.checkpoint = facts.checkpoint
        self.done: int | None = None
        self.total: int | None = None
        #: Whether `tx.complete()` has committed: the runtime has nothing left to write.
        self.settled = False
        #: What the runtime keeps of the anomalies that it reported until they are written.
        self.noted: Any = None
        self._services = services

    @property
    def id(self) -> int:
        return self.facts.id

    @property
    def attempt(self) -> int:
        return self.facts.attempt

    @property
    def account_id(self) -> int | None:
        return self.facts.account_id

    @property
    def fence(self) -> str:
        """A token that only grows, for effects outside PostgreSQL: let the other side refuse older ones."""
        return f"{self.facts.id}.{self.facts.attempt}"

    def progress(self, done: int, total: int | None = None) -> None:
        """Show how far the job is; written with the next heartbeat."""
        self.done, self.total = done, total

    def stop_if_cancelled(self) -> None:
        """Call between steps of long work.

        Raises:
            JobCancelled: the job was asked to stop.
        """
        if self.cancelled.is_set():
            raise JobCancelled(self.cancelled.reason)


class Job(BaseJob[P]):
    """One attempt at one job.

    Example:
        @servant("invoice.send", lane="account")
        def send_invoice(job: Job[Invoice]) -> Outcome:
            with job.commit() as tx:
                tx.execute("INSERT INTO sent (number) VALUES (%s)", (job.payload.number,))
                tx.complete(Completed())
            return Completed()
    """

    __slots__ = ()

    _cancellation = Cancellation
    _services: JobServices
    cancelled: Cancellation

    def __init__(self, facts: JobFacts, payload: P, services: JobServices) -> None:
        super().__init__(facts, payload, services)

    def commit(self) -> AbstractContextManager[Commit]:
        """A transaction that commits only while this attempt holds the job.

        Raises:
            LeaseLost: the job was rescued, cancelled or settled elsewhere; nothing was written.
        """
        return self._services.commit(self)

    def connection(self, connection_id: int) -> Connection:
        """One of the job's account's connections, credentials opened.

        Raises:
            PermanentError: the account has no such connection.
            CredentialError: its credentials cannot be opened.
        """
        return self._services.connection(self, connection_id)

    def anomaly(self, name: str, **fields: Any) -> None:
        """Report something odd in the data that a person should see; the job goes on."""
        self._services.anomaly(self, name, fields)
