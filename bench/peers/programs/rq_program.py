"""RQ on Redis: simple workers, which run jobs without a fork for each, and no results kept."""

from __future__ import annotations

from redis import Redis
from rq import Queue

from bench.peers.programs import common

TASKS = {act.__name__: act for act in (common.noop, common.nap, common.stamp)}


class Program:
    def __init__(self) -> None:
        self._queue = Queue("bench", connection=Redis.from_url(common.REDIS_URL))

    def prepare(self) -> None:
        """Redis needs nothing."""

    def send(self, task: str, sent: float | None = None) -> None:
        self._queue.enqueue(TASKS[task], *([] if sent is None else [sent]), result_ttl=0)

    def fill(self, task: str, jobs: int) -> None:
        for count in common.chunks(jobs):
            self._queue.enqueue_many([Queue.prepare_data(TASKS[task], result_ttl=0) for _ in range(count)])

    def work(self) -> None:
        common.become(
            "rq", "worker", "--url", common.REDIS_URL, "--worker-class", "rq.SimpleWorker", "--quiet", "bench"
        )


if __name__ == "__main__":
    common.main(Program())
