"""Procrastinate over psycopg: coroutines, LISTEN/NOTIFY on, finished jobs deleted."""

from __future__ import annotations

import asyncio
import os

import procrastinate

from bench.peers.programs import common

CONCURRENCY = 10

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=common.DATABASE_URL))


@app.task(name="noop")
async def noop() -> None:
    common.noop()


@app.task(name="nap")
async def nap() -> None:
    await asyncio.sleep(common.NAP_SECONDS)
    common.count()


@app.task(name="stamp")
async def stamp(sent: float) -> None:
    common.stamp(sent)


class Program:
    def __init__(self) -> None:
        self._open = False

    def prepare(self) -> None:
        with app.open():
            app.schema_manager.apply_schema()

    def send(self, task: str, sent: float | None = None) -> None:
        self._connect()
        app.configure_task(task).defer(**({} if sent is None else {"sent": sent}))

    def fill(self, task: str, jobs: int) -> None:
        self._connect()
        for count in common.chunks(jobs):
            app.configure_task(task).batch_defer(*[{} for _ in range(count)])

    def _connect(self) -> None:
        if not self._open:
            app.open()
            self._open = True

    def work(self) -> None:
        app.run_worker(
            concurrency=CONCURRENCY, delete_jobs="successful", listen_notify=True, name=f"worker-{os.getpid()}"
        )


if __name__ == "__main__":
    common.main(Program())
