"""Huey on Redis: threads that block on the list, no results kept."""

from __future__ import annotations

from huey import RedisHuey

from bench.peers.programs import common

THREADS = 8

huey = RedisHuey("bench", url=common.REDIS_URL, results=False, blocking=True)

noop = huey.task(name="noop")(common.noop)
nap = huey.task(name="nap")(common.nap)
stamp = huey.task(name="stamp")(common.stamp)

TASKS = {"noop": noop, "nap": nap, "stamp": stamp}


class Program:
    def prepare(self) -> None:
        huey.storage.flush_all()

    def send(self, task: str, sent: float | None = None) -> None:
        TASKS[task](*([] if sent is None else [sent]))

    def fill(self, task: str, jobs: int) -> None:
        """Huey enqueues one by one only."""
        for _ in range(jobs):
            TASKS[task]()

    def work(self) -> None:
        name = "bench.peers.programs.huey_program.huey"
        common.become("huey_consumer", name, "-k", "thread", "-w", str(THREADS), "-q")


if __name__ == "__main__":
    common.main(Program())
