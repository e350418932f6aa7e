"""What every measured system can be asked to do, Retinue and peers alike."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.machine import Machine

#: Kinds of jobs: nothing, 10 ms of waiting, and one that tells how long it waited.
NOOP, NAP, STAMP = "noop", "nap", "stamp"

#: Pickup latency is measured at this many jobs a second.
RATE = 20

#: Jobs of the first, rough look at a contestant's rate.
PROBE = 300


class Contestant(ABC):
    """A system with two worker processes; `up` starts it clean, and the rest is asked while it is up."""

    #: What it runs on.
    machine: Machine
    #: As the tables and the chart call it.
    name: str
    #: Everything that a reader needs to judge the figures.
    setting: str
    #: Whether it has a way to enqueue many jobs at once.
    bulk: bool = True
    #: The largest backlog that measures the system and not the emulator under it.
    most: int = 200_000

    @abstractmethod
    def up(self) -> AbstractContextManager[None]:
        """Nothing enqueued, both worker processes seen at work.

        Raises:
            NotMeasured: it cannot be had on this machine.
        """

    @abstractmethod
    def hold(self) -> None:
        """Keep the workers from starting anything."""

    @abstractmethod
    def release(self) -> None:
        """Let them start."""

    @abstractmethod
    def fill(self, task: str, jobs: int) -> float:
        """Enqueue many jobs by the system's best way for many; the seconds it took."""

    @abstractmethod
    def single(self, seconds: float) -> float:
        """Enqueue no-op jobs one by one, each committed; how many a second."""

    @abstractmethod
    def trickle(self, jobs: int) -> list[float]:
        """Enqueue at `RATE` and return how many milliseconds each job waited, from the call to its first line."""

    @abstractmethod
    def finished(self) -> int:
        """Jobs finished since it is up."""

    @abstractmethod
    def settled(self) -> bool:
        """Whether nothing that was finished is still to be written down."""

    @abstractmethod
    def memory(self) -> float:
        """MiB of all its own processes (PSS), the servers it uses not counted."""

    @abstractmethod
    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait; RuntimeError with the logs' ends when a process ended or the time passed."""


class NotMeasured(Exception):
    """This contestant cannot take part here; the message says why."""


def drain(contestant: Contestant, task: str, jobs: int) -> float:
    """Jobs a second from the moment a held backlog is let go until the last is written down as done."""
    contestant.hold()
    contestant.fill(task, jobs)
    goal = contestant.finished() + jobs
    began = time.perf_counter()
    contestant.release()
    contestant.wait_for(lambda: contestant.finished() >= goal and contestant.settled(), f"{jobs} jobs", 300)
    return jobs / (time.perf_counter() - began)


def drain_for(contestant: Contestant, task: str, seconds: float) -> float:
    """The drain rate of a backlog that takes about `seconds`, found by two smaller ones."""
    jobs = PROBE
    for share in (0.2, 1.0):
        rate = drain(contestant, task, jobs)
        jobs = round(min(max(rate * seconds * share, PROBE), contestant.most))
    return drain(contestant, task, jobs)
