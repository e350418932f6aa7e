"""Retinue as one of the contestants, in its forms."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import psutil
import psycopg

from bench import job_types
from bench.contestants import NAP, NOOP, RATE, STAMP, Contestant
from bench.figures import RETINUE
from bench.fleet import ECHO, finished_jobs, fleet, scalar
from bench.machine import Machine
from bench.processes import pss
from infra.postgres.bell import Bell
from infra.postgres.enqueue import NewJob, enqueue_many
from retinue.servant import lent

#: Jobs enqueued by one transaction of a bulk enqueue: the peers' bulk calls get as many.
CHUNK = 5000

PAYLOADS: Mapping[str, dict[str, Any]] = {NOOP: {}, NAP: {"seconds": 0.01}, STAMP: {"stamp": True}}

_HOW_MANY = "SELECT count(*) FROM job_history WHERE id = ANY(%s)"
_BEGINNINGS = "SELECT id, (result->>'began')::float8 FROM job_history WHERE id = ANY(%s)"


@dataclass(frozen=True, kw_only=True)
class Form:
    """One way to run Retinue; its settings are the defaults but for what is here."""

    name: str
    setting: str
    job_type: str = ECHO
    transport: str = "sqs"


THREADS = Form(name=RETINUE, setting="messages over SQS (moto), 2 servants × 16 threads")
COROUTINES = Form(
    name=f"{RETINUE}, coroutines",
    setting=f"messages over SQS (moto), 2 servants × {job_types.ASYNC_SLOTS} coroutines",
    job_type=job_types.nap.name,
)
ON_POSTGRES = Form(
    name=f"{RETINUE} on PostgreSQL", setting="messages in PostgreSQL, 2 servants × 16 threads", transport="postgres"
)
COROUTINES_ON_POSTGRES = Form(
    name=f"{RETINUE} on PostgreSQL, coroutines",
    setting=f"messages in PostgreSQL, 2 servants × {job_types.ASYNC_SLOTS} coroutines",
    job_type=job_types.nap.name,
    transport="postgres",
)
FORMS = (THREADS, COROUTINES, ON_POSTGRES, COROUTINES_ON_POSTGRES)


class Retinue(Contestant):
    """A scheduler and two servant processes."""

    def __init__(self, machine: Machine, form: Form = THREADS) -> None:
        self.name, self.setting, self.machine = form.name, form.setting, machine
        self._form = form
        self._processes: dict[str, psutil.Process] = {}
        self._before = 0

    def new_job(self, task: str, number: int) -> NewJob:
        """The `number`th job of such a kind."""
        return NewJob(type=self._form.job_type, payload=PAYLOADS[task], account_id=1)

    @contextmanager
    def up(self) -> Iterator[None]:
        job_types.offer(self.machine.directory)
        self.machine.extra |= {"RETINUE_TRANSPORT": self._form.transport, "PYTHONPATH": str(self.machine.directory)}
        with lent(job_types.nap, job_types.call), fleet(self.machine, *[self._form.job_type] * 2) as processes:
            self._processes = processes
            self._before = finished_jobs(self.machine, self._form.job_type)
            self.fill(NOOP, 1000)
            self.wait_for(lambda: self.finished() >= 1000, "the warm-up")
            try:
                yield
            finally:
                self.release()

    def hold(self) -> None:
        self._pause(paused=True)

    def release(self) -> None:
        self._pause(paused=False)
        ring(self.machine)

    def fill(self, task: str, jobs: int) -> float:
        connection = self.machine.connection()
        began = time.perf_counter()
        for start in range(0, jobs, CHUNK):
            numbers = range(start, min(start + CHUNK, jobs))
            with connection.transaction():
                enqueue_many(connection, [self.new_job(task, n) for n in numbers])
        ring(self.machine)
        return time.perf_counter() - began

    def single(self, seconds: float) -> float:
        with _Caller(self.machine) as caller:
            jobs, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                caller.enqueue(self.new_job(NOOP, jobs))
                jobs += 1
            return jobs / (time.perf_counter() - began)

    def trickle(self, jobs: int) -> list[float]:
        with _Caller(self.machine) as caller:
            called = dict(_at_rate(caller, [self.new_job(STAMP, n) for n in range(jobs)]))
        self.wait_for(lambda: scalar(self.machine, _HOW_MANY, list(called)) == jobs, "the stamped jobs")
        rows = self.machine.connection().execute(_BEGINNINGS, (list(called),)).fetchall()
        return [1000 * (began - called[identity]) for identity, began in rows]

    def finished(self) -> int:
        return finished_jobs(self.machine, self._form.job_type) - self._before

    def settled(self) -> bool:
        """A job counts as finished when its row is in the history."""
        return True

    def memory(self) -> float:
        return sum(pss(process) for process in self._processes.values())

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        self.machine.wait_for(condition, what, seconds)

    def _pause(self, *, paused: bool) -> None:
        """As an operator would."""
        query = "UPDATE job_types SET paused_at = CASE WHEN %s THEN now() END WHERE type = %s"
        self.machine.connection().execute(query, (paused, self._form.job_type))


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

    def enqueue(self, job: NewJob) -> int:
        enqueued = enqueue_many(self._connection, [job])[0]
        self._connection.commit()
        self._bell.ring()
        return enqueued.id


def _at_rate(caller: _Caller, jobs: list[NewJob]) -> Iterator[tuple[int, float]]:
    began = time.monotonic()
    for n, job in enumerate(jobs):
        time.sleep(max(0.0, began + n / RATE - time.monotonic()))
        moment = time.time()
        yield caller.enqueue(job), moment
