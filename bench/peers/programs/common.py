"""What the peers' programs share: where the servers are, what a job does, and the commands that the bench gives.

    PROGRAM prepare              make tables or queues
    PROGRAM work                 become a worker
    PROGRAM fill TASK JOBS       enqueue, by the library's way for many where it has one
    PROGRAM single SECONDS       enqueue no-op jobs one by one
    PROGRAM trickle JOBS RATE    enqueue stamped jobs one by one, RATE a second

The last three print one line of JSON: how many jobs and how many seconds.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Any, NoReturn, Protocol

DIRECTORY = Path(os.environ["BENCH_DIRECTORY"])
DATABASE_URL = os.environ["BENCH_DATABASE_URL"]
REDIS_URL = os.environ["BENCH_REDIS_URL"]
SQS_URL = os.environ["BENCH_SQS_URL"]

#: How long the jobs of the 10 ms scenario take.
NAP_SECONDS = 0.01

#: Jobs handed to a library's bulk call at a time: Retinue is measured with as many.
CHUNK = 5000

_COUNTER = struct.Struct("<q")


class Producer(Protocol):
    """What a peer's program can do beside working."""

    def prepare(self) -> None:
        """Make what the library needs before anything is enqueued."""

    def send(self, task: str, sent: float | None = None) -> None:
        """Enqueue one job; `sent` is for the stamp task."""

    def fill(self, task: str, jobs: int) -> None:
        """Enqueue many jobs."""

    def work(self) -> None:
        """Work until stopped."""


class _Counter:
    """Jobs that this process finished, in a file that the bench reads without asking the peer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = 0
        self._jobs = 0
        self._view: mmap | None = None

    def add(self) -> None:
        if self._process != os.getpid():
            self._open()
        assert self._view is not None  # noqa: S101 - opened for this process
        with self._lock:
            self._jobs += 1
            _COUNTER.pack_into(self._view, 0, self._jobs)

    def _open(self) -> None:
        """Workers fork: each process counts in a file of its own."""
        with self._lock:
            if self._process == os.getpid():
                return
            path = DIRECTORY / f"{os.getpid()}.count"
            path.write_bytes(bytes(_COUNTER.size))
            with path.open("r+b") as file:
                self._view = mmap(file.fileno(), _COUNTER.size)
            self._jobs, self._process = 0, os.getpid()


_counter = _Counter()


def count() -> None:
    """Tell the bench that a job is done."""
    _counter.add()


def noop() -> None:
    """The job that does nothing."""
    count()


def nap() -> None:
    """The job of 10 ms."""
    time.sleep(NAP_SECONDS)
    count()


def stamp(sent: float) -> None:
    """The job that tells how long it waited."""
    began = time.time()
    line = f"{sent!r} {began!r}\n".encode()
    handle = os.open(DIRECTORY / "stamps", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, line)
    os.close(handle)
    count()


def become(program: str, *arguments: str) -> NoReturn:
    """Replace this process by one of the environment's command line programs."""
    path = Path(sys.executable).parent / program
    os.execv(path, [str(path), *arguments])  # noqa: S606 - the library's own worker is what is measured


def main(peer: Producer) -> None:
    """Do what the command line asks."""
    commands: dict[str, Callable[..., Any]] = {
        "prepare": peer.prepare,
        "work": peer.work,
        "fill": lambda task, jobs: _timed(int(jobs), lambda: peer.fill(task, int(jobs))),
        "single": lambda seconds: _single(peer, float(seconds)),
        "trickle": lambda jobs, rate: _timed(int(jobs), lambda: _trickle(peer, int(jobs), float(rate))),
    }
    name, *arguments = sys.argv[1:]
    commands[name](*arguments)


def chunks(jobs: int) -> list[int]:
    """Sizes of the library's bulk calls for so many jobs."""
    return [min(CHUNK, jobs - start) for start in range(0, jobs, CHUNK)]


def _timed(jobs: int, act: Callable[[], None]) -> None:
    began = time.perf_counter()
    act()
    _tell(jobs, time.perf_counter() - began)


def _single(peer: Producer, seconds: float) -> None:
    peer.send("noop")  # connects
    jobs, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        peer.send("noop")
        jobs += 1
    _tell(jobs, time.perf_counter() - began)


def _trickle(peer: Producer, jobs: int, rate: float) -> None:
    began = time.monotonic()
    for n in range(jobs):
        time.sleep(max(0.0, began + n / rate - time.monotonic()))
        peer.send("stamp", time.time())


def _tell(jobs: int, seconds: float) -> None:
    print(json.dumps({"jobs": jobs, "seconds": seconds}), flush=True)
