"""No-op jobs a second: a backlog of `system.echo`, drained by two servant processes over SQS."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.fleet import ECHO, finished_jobs, fleet, sqs_calls
from bench.machine import Machine
from infra.postgres.bell import Bell
from infra.postgres.enqueue import NewJob, enqueue_many

CHUNK = 5000


@dataclass(frozen=True)
class Throughput:
    """`drained` and `enqueued` are jobs a second, `calls` SQS calls per 1,000 jobs."""

    drained: float
    enqueued: float
    calls: float


def throughput(machine: Machine, *, jobs: int) -> Throughput:
    """Enqueue a backlog with the type paused, let it go, and time it until the last job is in the history."""
    with fleet(machine, ECHO, ECHO):
        enqueue_backlog(machine, CHUNK)
        before = finished_jobs(machine, ECHO)
        machine.wait_for(lambda: finished_jobs(machine, ECHO) >= CHUNK, "the warm-up")
        _pause(machine, paused=True)
        began = time.monotonic()
        enqueue_backlog(machine, jobs)
        enqueued = jobs / (time.monotonic() - began)
        before = finished_jobs(machine, ECHO)
        _pause(machine, paused=False)
        began = time.monotonic()
        machine.wait_for(lambda: finished_jobs(machine, ECHO) - before >= jobs, "the backlog", 300)
        drained = jobs / (time.monotonic() - began)
    calls = sqs_calls(machine, "scheduler", "servant-0", "servant-1").total()
    return Throughput(drained, enqueued, 1000 * calls / (jobs + CHUNK))


def enqueue_backlog(machine: Machine, jobs: int, job_type: str = ECHO) -> None:
    """Enqueue in bulk, a transaction for each chunk, and ring."""
    bell = Bell(machine.url)
    connection = machine.connection()
    for start in range(0, jobs, CHUNK):
        count = min(CHUNK, jobs - start)
        with connection.transaction():
            enqueue_many(connection, [NewJob(type=job_type, payload={}, account_id=1) for _ in range(count)])
    bell.ring()
    bell.close()


def _pause(machine: Machine, *, paused: bool) -> None:
    query = "UPDATE job_types SET paused_at = CASE WHEN %s THEN now() END WHERE type = %s"
    machine.connection().execute(query, (paused, ECHO))
