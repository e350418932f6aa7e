"""What a coroutine handler receives: as `retinue.job`, with everything that may wait to be awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from retinue.connection import Call, Renewal
from retinue.job import BaseJob, JobFacts, P
from retinue.outcomes import Completed


class AsyncCommit(Protocol):
    """One fenced transaction: what is written through it lands together, or not at all."""

    @property
    def connection(self) -> Any:
        """The psycopg `AsyncConnection` of the transaction."""

    async def execute(self, query: str, params: Any = None) -> Any:
        """Run one statement and return psycopg's `AsyncCursor`."""

    def checkpoint(self, value: Any) -> None:
        """Let a later attempt start from `value` (JSON) if this transaction commits."""

    def complete(self, outcome: Completed) -> None:
        """Settle the job as completed in this very transaction."""

    async def enqueue(self, job: Any) -> Any:
        """Make a job (`infra.postgres.enqueue.NewJob`) if this transaction commits; schedulers are told of it then.

        Returns what was done (`infra.postgres.enqueue.Enqueued`).
        """


class AsyncCalls(Protocol):
    """What counts a connection's calls."""

    def begin(self, cost: int, *, urgent: bool | None) -> AbstractAsyncContextManager[Call]: ...


@dataclass(frozen=True, slots=True)
class AsyncConnection:
    """An account's authorised link to one provider; see `retinue.Connection`."""

    id: int
    account_id: int
    provider: str
    name: str
    config: Mapping[str, Any]
    credentials: Mapping[str, str] = field(repr=False)
    calls: AsyncCalls = field(repr=False, compare=False)
    renewed: Callable[[Renewal], Awaitable[Mapping[str, str]]] = field(repr=False, compare=False)

    def call(self, cost: int = 1, *, urgent: bool | None = None) -> AbstractAsyncContextManager[Call]:
        """Around each request, with `async with`: takes `cost` from the budget, and tells the breaker how it ended.

        Raises:
            BudgetExhausted: nothing is left; let it through, and the job is put back until the reset.
            LaneBlocked: the connection was found broken meanwhile; likewise.
        """
        return self.calls.begin(cost, urgent=urgent)

    async def renew(self, renewal: Renewal) -> Mapping[str, str]:
        """As `retinue.Connection.renew`; `renewal` is an ordinary function and runs on a thread."""
        return await self.renewed(renewal)


class AsyncJobServices(Protocol):
    """What the runtime does for a job whose handler is a coroutine."""

    def commit(self, job: AsyncJob[Any]) -> AbstractAsyncContextManager[AsyncCommit]: ...

    async def connection(self, job: AsyncJob[Any], connection_id: int) -> AsyncConnection: ...

    def anomaly(self, job: AsyncJob[Any], name: str, fields: Mapping[str, Any]) -> None: ...


class AsyncCancellation:
    """As `retinue.job.Cancellation`, waited for in an event loop; any thread may ask."""

    __slots__ = ("_event", "_loop", "reason")

    #: Guards the making of an event; held for a moment.
    _making = threading.Lock()

    def __init__(self) -> None:
        self.reason = ""
        self._event: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def is_set(self) -> bool:
        """Whether the job was asked to stop."""
        return bool(self.reason)

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as the one of threads has
        """Wait until the job is asked to stop, at most `timeout` seconds; whether it was."""
        event = self._made()
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return self.is_set()
        return True

    def ask(self, reason: str) -> None:
        """Ask the job to stop; the first reason stays."""
        with self._making:
            self.reason = self.reason or reason
            event, loop = self._event, self._loop
        if event is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(event.set)

    def _made(self) -> asyncio.Event:
        with self._making:
            if self._event is None:
                self._event, self._loop = asyncio.Event(), asyncio.get_running_loop()
            if self.reason:
                self._event.set()
            return self._event


class AsyncJob(BaseJob[P]):
    """One attempt at one job, in an event loop.

    Example:
        @servant("hook.push", slots=500)
        async def push(job: AsyncJob[Push]) -> Outcome:
            async with job.commit() as tx:
                await tx.execute("INSERT INTO pushed (number) VALUES (%s)", (job.payload.number,))
                tx.complete(Completed())
            return Completed()
    """

    __slots__ = ("connected",)

    _cancellation = AsyncCancellation
    _services: AsyncJobServices
    cancelled: AsyncCancellation
    #: Whether it asked for a connection, so that its end says something of one.
    connected: bool

    def __init__(self, facts: JobFacts, payload: P, services: AsyncJobServices) -> None:
        super().__init__(facts, payload, services)
        self.connected = False

    def commit(self) -> AbstractAsyncContextManager[AsyncCommit]:
        """A transaction that commits only while this attempt holds the job; with `async with`.

        Raises:
            LeaseLost: the job was rescued, cancelled or settled elsewhere; nothing was written.
        """
        return self._services.commit(self)

    async def connection(self, connection_id: int) -> AsyncConnection:
        """One of the job's account's connections, credentials opened.

        Raises:
            PermanentError: the account has no such connection.
            CredentialError: its credentials cannot be opened.
        """
        self.connected = True
        return await self._services.connection(self, connection_id)

    def anomaly(self, name: str, **fields: Any) -> None:
        """Report something odd in the data that a person should see; the job goes on."""
        self._services.anomaly(self, name, fields)
