"""What a job in the event loop may do: commit under its fence, open a connection, report an anomaly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Any, cast

import psycopg

from infra.postgres.connect_async import AsyncDatabase, ThreadView
from infra.postgres.enqueue import Effect, Enqueued, NewJob, insert_jobs
from infra.postgres.statements import statement
from retinue.async_job import AsyncConnection, AsyncJob
from retinue.connection import Call, Calls, Connection, Renewal
from retinue.errors import LeaseLost
from retinue.outcomes import Completed
from servants.runtime.services import OVER, FencedCommit, Services

#: Renewals of credentials that run at once: the threads they wait on are everybody's.
RENEWALS = 2


class AsyncFencedCommit:
    """One transaction of one attempt: see `retinue.async_job.AsyncCommit`."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], job: AsyncJob[Any]) -> None:
        self._connection: psycopg.AsyncConnection[Any] | None = connection
        self._job = job
        self.view = ThreadView(connection)
        # What it says of the job is written by the same code as a thread's; it asks no more of either than they share.
        self.said = FencedCommit(cast("psycopg.Connection", self.view), job)
        self._says_something = False

    @property
    def connection(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None:
            raise psycopg.InterfaceError(OVER)
        return self._connection

    def close(self) -> None:
        """The connection is somebody else's from here on: what is written through it now would land unfenced."""
        self._connection = None
        self.view.closed = True

    async def execute(self, query: Any, params: Any = None) -> psycopg.AsyncCursor[Any]:
        return await self.connection.execute(query, params)

    def checkpoint(self, value: Any) -> None:
        self.said.checkpoint(value)
        self._says_something = True

    def complete(self, outcome: Completed) -> None:
        self.said.complete(outcome)
        self._says_something = True

    async def enqueue(self, job: NewJob) -> Enqueued:
        (made,) = await asyncio.to_thread(insert_jobs, cast("psycopg.Connection", self.view), [job])
        self.said.lanes_woken |= made.effect is not Effect.IGNORED
        return made

    async def hold_fence(self) -> None:
        """Lock the job's row so that nobody can rescue it before this transaction ends."""
        fence = {"id": self._job.id, "attempt": self._job.attempt}
        held = await self.connection.execute(statement("hold_fence"), fence)
        if await held.fetchone() is None:
            raise LeaseLost(f"attempt {self._job.attempt} no longer holds job {self._job.id}; nothing was written")

    async def write_job(self, shard: int) -> None:
        """Write what was said about the job itself, last, so that its row is locked briefly."""
        if self._says_something or self._job.noted:
            await asyncio.to_thread(self.said.write_job, shard)


class AsyncCountedCalls:
    """A connection's calls, counted by threads: taking from a budget may ask the database."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @asynccontextmanager
    async def begin(self, cost: int, *, urgent: bool | None) -> AsyncIterator[Call]:
        counted = self._calls.begin(cost, urgent=urgent)
        call = await asyncio.to_thread(counted.__enter__)
        try:
            yield call
        except BaseException as error:
            # Shielded: the call is given back whatever else is cancelled meanwhile. It may raise what it makes of this.
            await asyncio.shield(asyncio.to_thread(counted.__exit__, type(error), error, error.__traceback__))
            raise
        else:
            await asyncio.shield(asyncio.to_thread(counted.__exit__, None, None, None))


class AsyncServices:
    """`AsyncJobServices` over PostgreSQL."""

    def __init__(self, services: Services, database: AsyncDatabase) -> None:
        self.threads = services
        self._database = database
        self._renewals = asyncio.Semaphore(RENEWALS)

    @asynccontextmanager
    async def commit(self, job: AsyncJob[Any]) -> AsyncIterator[AsyncFencedCommit]:
        settled_before = job.settled
        tx: AsyncFencedCommit | None = None
        try:
            with self.threads.span(job.facts):
                async with self._database.transaction() as connection:
                    with closing(AsyncFencedCommit(connection, job)) as tx:
                        await tx.hold_fence()
                        yield tx
                        await tx.write_job(self.threads.shard)
                        # Said before the commit: a heartbeat that finds the row gone must not take the lease for lost.
                        job.settled = tx.said.completes
        except BaseException:
            job.settled = settled_before
            if tx is not None:
                tx.said.failed()
            raise
        self.threads.landed(tx.said)

    async def connection(self, job: AsyncJob[Any], connection_id: int) -> AsyncConnection:
        found = await asyncio.to_thread(self.threads.connection, job, connection_id)
        return AsyncConnection(
            id=found.id,
            account_id=found.account_id,
            provider=found.provider,
            name=found.name,
            config=found.config,
            credentials=found.credentials,
            calls=AsyncCountedCalls(found.calls),
            renewed=partial(self._renew, found),
        )

    async def _renew(self, connection: Connection, renewal: Renewal) -> Mapping[str, str]:
        async with self._renewals:
            return await asyncio.to_thread(connection.renew, renewal)

    def anomaly(self, job: AsyncJob[Any], name: str, fields: Mapping[str, Any]) -> None:
        self.threads.anomaly(job, name, fields)

    async def close(self) -> None:
        """Close the connections of the loop."""
        await self._database.close()
