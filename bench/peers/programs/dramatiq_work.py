"""Dramatiq's actors and commands, on the broker that its two programs make."""

from __future__ import annotations

import dramatiq

from bench.peers.programs import common


class Program:
    def __init__(self, broker: dramatiq.Broker, *, module: str, threads: int) -> None:
        self._module = module
        self._threads = threads
        self._actors = {
            act.__name__: dramatiq.actor(act, broker=broker, actor_name=act.__name__)
            for act in (common.noop, common.nap, common.stamp)
        }

    def prepare(self) -> None:
        """Queues are made when they are first used."""

    def send(self, task: str, sent: float | None = None) -> None:
        self._actors[task].send(*([] if sent is None else [sent]))

    def fill(self, task: str, jobs: int) -> None:
        """A group sends its messages one by one."""
        for count in common.chunks(jobs):
            dramatiq.group([self._actors[task].message() for _ in range(count)]).run()

    def work(self) -> None:
        common.become("dramatiq", self._module, "--processes", "2", "--threads", str(self._threads))
