"""Celery's tasks, settings and commands, for the two brokers.

The settings are those of Celery's page on optimising: no results, no rate limits, many tasks prefetched because they
are short, no chatter between workers, and messages that are not written to disk one by one.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from bench.peers.programs import common

QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")


def make_app(broker: str, **options: Any) -> Celery:
    """An app with the three tasks."""
    app = Celery("bench", broker=broker)
    app.conf.update(
        task_ignore_result=True,
        worker_disable_rate_limits=True,
        worker_prefetch_multiplier=16,
        task_default_delivery_mode="transient",
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        **options,
    )
    for act in (common.noop, common.nap, common.stamp):
        app.task(name=act.__name__)(act)
    return app


class Program:
    def __init__(self, app: Celery, *, module: str, pool: tuple[str, ...]) -> None:
        self._app = app
        self._module = module
        self._pool = pool

    def prepare(self) -> None:
        """Queues are made when they are first used."""

    def send(self, task: str, sent: float | None = None) -> None:
        self._app.tasks[task].apply_async([] if sent is None else [sent])

    def fill(self, task: str, jobs: int) -> None:
        """One connection for all; Celery has no message of many tasks."""
        with self._app.producer_or_acquire() as producer:
            for _ in range(jobs):
                self._app.tasks[task].apply_async(producer=producer)

    def work(self) -> None:
        common.become("celery", "-A", self._module, "worker", "-n", f"{os.getpid()}@bench", *self._pool, *QUIET)
