"""Retinue as one of the contestants."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import psutil
import psycopg

from bench.contestants import NAP, NOOP, RATE, STAMP, Contestant
from bench.figures import RETINUE
from bench.fleet import ECHO, finished_jobs, fleet, scalar
from bench.machine import Machine
from bench.processes import pss
from infra.postgres.bell import Bell
from infra.postgres.enqueue import NewJob, enqueue, enqueue_many

#: Jobs enqueued by one transaction of a bulk enqueue: the peers' bulk calls get as many.
CHUNK = 5000

PAYLOADS: Mapping[str, dict[str, Any]] = {NOOP: {}, NAP: {"seconds": 0.01}, STAMP: {"stamp": True}}

_HOW_MANY = "SELECT count(*) FROM job_history WHERE id = ANY(%s)"
_BEGINNINGS = "SELECT id, (result->>'began')::float8 FROM job_history WHERE id = ANY(%s)"


class Retinue(Contestant):
    """A scheduler and two servant processes of `system.echo`, 16 slots each."""

    def __init__(self, machine: Machine, *, transport: str = "sqs", accounts: int = 1) -> None:
        self.name = {"sqs": RETINUE, "postgres": f"{RETINUE} on PostgreSQL"}[transport]
        carried = {"sqs": "messages over SQS (moto)", "postgres": "messages in PostgreSQL"}[transport]
        self.setting = f"{carried}, a scheduler and 2 servants × 16 threads, default settings"
        self.machine = machine
        self._transport = transport
        self._accounts = accounts
        self._processes: dict[str, psutil.Process] = {}
        self._before = 0

    @contextmanager
    def up(self) -> Iterator[None]:
        self.machine.extra["RETINUE_TRANSPORT"] = self._transport
        with fleet(self.machine, ECHO, ECHO) as processes:
            self._processes = processes
            self._before = finished_jobs(self.machine, ECHO)
            self.fill(NOOP, 1000)
            self.wait_for(lambda: self.finished() >= 1000, "the warm-up")
            try:
                yield
            finally:
                self.release()

    def hold(self) -> None:
        pause(self.machine, paused=True)

    def release(self) -> None:
        pause(self.machine, paused=False)

    def fill(self, task: str, jobs: int) -> float:
        return enqueue_backlog(self.machine, jobs, PAYLOADS[task], accounts=self._accounts)

    def single(self, seconds: float) -> float:
        with _Caller(self.machine) as caller:
            jobs, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                caller.enqueue(NOOP)
                jobs += 1
            return jobs / (time.perf_counter() - began)

    def trickle(self, jobs: int) -> list[float]:
        with _Caller(self.machine) as caller:
            called = dict(_at_rate(caller, jobs))
        self.wait_for(lambda: scalar(self.machine, _HOW_MANY, list(called)) == jobs, "the stamped jobs")
        rows = self.machine.connection().execute(_BEGINNINGS, (list(called),)).fetchall()
        return [1000 * (began - called[identity]) for identity, began in rows]

    def finished(self) -> int:
        return finished_jobs(self.machine, ECHO) - self._before

    def settled(self) -> bool:
        """A job counts as finished when its row is in the history."""
        return True

    def memory(self) -> float:
        return sum(pss(process) for process in self._processes.values())

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        self.machine.wait_for(condition, what, seconds)


def enqueue_backlog(machine: Machine, jobs: int, payload: Mapping[str, Any], *, accounts: int = 1) -> float:
    """Enqueue in bulk, a transaction for each chunk, and ring; the seconds it took."""
    connection = machine.connection()
    bell = Bell(machine.url)
    began = time.perf_counter()
    for start in range(0, jobs, CHUNK):
        count = min(CHUNK, jobs - start)
        with connection.transaction():
            enqueue_many(
                connection, [NewJob(type=ECHO, payload=payload, account_id=1 + n % accounts) for n in range(count)]
            )
    bell.ring()
    seconds = time.perf_counter() - began
    bell.close()
    return seconds


def pause(machine: Machine, *, paused: bool) -> None:
    """Pause or resume the type, as an operator would, and tell the scheduler."""
    query = "UPDATE job_types SET paused_at = CASE WHEN %s THEN now() END WHERE type = %s"
    machine.connection().execute(query, (paused, ECHO))
    if not paused:
        ring(machine)


def ring(machine: Machine) -> None:
    """Wake the scheduler."""
    bell = Bell(machine.url)
    bell.ring()
    bell.close()


class _Caller:
    """A caller who enqueues one job to a transaction, and rings."""

    def __init__(self, machine: Machine) -> None:
        self._connection = psycopg.connect(machine.url)
        self._bell = Bell(machine.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bell.close()
        self._connection.close()

    def enqueue(self, task: str) -> int:
        enqueued = enqueue(self._connection, ECHO, PAYLOADS[task], account_id=1)
        self._connection.commit()
        self._bell.ring()
        return enqueued.id


def _at_rate(caller: _Caller, jobs: int) -> Iterator[tuple[int, float]]:
    began = time.monotonic()
    for n in range(jobs):
        time.sleep(max(0.0, began + n / RATE - time.monotonic()))
        moment = time.time()
        yield caller.enqueue(STAMP), moment
