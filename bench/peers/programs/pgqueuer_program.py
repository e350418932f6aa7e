"""PgQueuer over asyncpg and uvloop: coroutines without a limit of their own, `batch_size` from the environment.

Its guide to tuning asks for larger batches where jobs are short; 10 is its default, 100 the largest it shows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from bench.peers.programs import common

BATCH = int(os.environ.get("BENCH_BATCH", "10"))


class Program:
    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._queries: Queries | None = None

    def prepare(self) -> None:
        self._loop.run_until_complete(self._install())

    async def _install(self) -> None:
        queries = await self._connected()
        await queries.install()

    def send(self, task: str, sent: float | None = None) -> None:
        self._loop.run_until_complete(self._send(task, sent))

    async def _send(self, task: str, sent: float | None) -> None:
        queries = await self._connected()
        await queries.enqueue(task, None if sent is None else repr(sent).encode())

    def fill(self, task: str, jobs: int) -> None:
        self._loop.run_until_complete(self._fill(task, jobs))

    async def _fill(self, task: str, jobs: int) -> None:
        queries = await self._connected()
        for count in common.chunks(jobs):
            await queries.enqueue([task] * count, [None] * count, [0] * count)

    async def _connected(self) -> Queries:
        if self._queries is None:
            self._queries = Queries(AsyncpgDriver(await asyncpg.connect(common.DATABASE_URL)))
        return self._queries

    def work(self) -> None:
        self._loop.run_until_complete(self._work())

    async def _work(self) -> None:
        async with _manager() as manager:
            await manager.run(batch_size=BATCH, dequeue_timeout=timedelta(seconds=30))


@asynccontextmanager
async def _manager() -> AsyncIterator[PgQueuer]:
    manager = PgQueuer(AsyncpgDriver(await asyncpg.connect(common.DATABASE_URL)))

    @manager.entrypoint("noop")
    async def noop(_job: Job) -> None:
        common.noop()

    @manager.entrypoint("nap")
    async def nap(_job: Job) -> None:
        await asyncio.sleep(common.NAP_SECONDS)
        common.count()

    @manager.entrypoint("stamp")
    async def stamp(job: Job) -> None:
        common.stamp(float(job.payload or b"0"))

    yield manager


if __name__ == "__main__":
    common.main(Program())
