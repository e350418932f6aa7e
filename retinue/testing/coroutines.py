"""Runs a coroutine handler over what the kit gives a handler on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from retinue.async_job import AsyncCancellation, AsyncConnection, AsyncJob
from retinue.connection import Call, Calls
from retinue.job import Cancellation, Commit, Job
from retinue.outcomes import Completed


def run_coroutine(handler: Callable[[AsyncJob[Any]], Coroutine[Any, Any, Any]], job: Job[Any]) -> Any:
    """What the handler returns; `job` then knows what it did."""
    return asyncio.run(_run(handler, job))


async def _run(handler: Callable[[AsyncJob[Any]], Coroutine[Any, Any, Any]], job: Job[Any]) -> Any:
    its = AsyncJob(job.facts, job.payload, _Services(job))
    its.cancelled = _Cancellation(job.cancelled)
    try:
        return await handler(its)
    finally:
        job.done, job.total = its.done, its.total


class _Cancellation(AsyncCancellation):
    """A thread's, looked at from the loop; it waits on the test's clock, so it does not block."""

    def __init__(self, behind: Cancellation) -> None:
        super().__init__()
        self._behind = behind

    def is_set(self) -> bool:
        found = self._behind.is_set()
        self.reason = self._behind.reason
        return found

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as the one it stands for has
        found = self._behind.wait(timeout)
        self.reason = self._behind.reason
        return found


class _Commit:
    """A thread's commit, awaited."""

    def __init__(self, behind: Commit) -> None:
        self._behind = behind

    @property
    def connection(self) -> Any:
        return self._behind.connection

    async def execute(self, query: str, params: Any = None) -> Any:
        return _Cursor(self._behind.execute(query, params))

    def checkpoint(self, value: Any) -> None:
        self._behind.checkpoint(value)

    def complete(self, outcome: Completed) -> None:
        self._behind.complete(outcome)

    async def enqueue(self, job: Any) -> Any:
        from infra.postgres.enqueue import enqueue_many

        return enqueue_many(self._behind.connection, [job])[0]


class _Cursor:
    """A thread's cursor, awaited."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind

    @property
    def rowcount(self) -> int:
        return int(self._behind.rowcount)

    async def fetchone(self) -> Any:
        return self._behind.fetchone()

    async def fetchall(self) -> Any:
        return self._behind.fetchall()

    async def __aiter__(self) -> AsyncIterator[Any]:
        for row in self._behind:
            yield row


class _Calls:
    def __init__(self, behind: Calls) -> None:
        self._behind = behind

    @asynccontextmanager
    async def begin(self, cost: int, *, urgent: bool | None) -> AsyncIterator[Call]:
        with self._behind.begin(cost, urgent=urgent) as call:
            yield call


class _Services:
    """`AsyncJobServices` over those of the thread's job."""

    def __init__(self, job: Job[Any]) -> None:
        self._job = job

    @asynccontextmanager
    async def commit(self, job: AsyncJob[Any]) -> AsyncIterator[_Commit]:
        with self._job.commit() as tx:
            yield _Commit(tx)
        job.checkpoint, job.settled = self._job.checkpoint, self._job.settled

    async def connection(self, job: AsyncJob[Any], connection_id: int) -> AsyncConnection:
        found = self._job.connection(connection_id)
        return AsyncConnection(
            id=found.id,
            account_id=found.account_id,
            provider=found.provider,
            name=found.name,
            config=found.config,
            credentials=found.credentials,
            calls=_Calls(found.calls),
            renewed=lambda renewal: asyncio.to_thread(found.renew, renewal),
        )

    def anomaly(self, job: AsyncJob[Any], name: str, fields: Mapping[str, Any]) -> None:
        self._job.anomaly(name, **fields)
