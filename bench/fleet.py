"""Retinue's own processes in a measurement: a scheduler and servants of one type."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from bench.machine import Machine

ECHO = "system.echo"
SLEEP = "system.sleep"

_LIVE = "SELECT count(*) FROM servants WHERE state = 'active' AND received_at IS NOT NULL"
_FINISHED = "SELECT coalesce(sum(jobs), 0)::bigint FROM job_rollups WHERE type = %s"


@contextmanager
def fleet(machine: Machine, *types: str, manager: bool = False) -> Iterator[dict[str, psutil.Process]]:
    """A scheduler and one servant process for each of `types`, seen alive; drained at the end."""
    started = {"scheduler": machine.start("scheduler", "cli.main", "scheduler")}
    for n, job_type in enumerate(types):
        started[f"servant-{n}"] = machine.start(f"servant-{n}", "cli.main", "servant", job_type)
    if manager:
        started["manager"] = machine.start("manager", "cli.main", "manager")
    try:
        machine.wait_for(lambda: scalar(machine, _LIVE) == len(types), "the servants")
        yield started
    finally:
        for name in reversed(list(started)):
            machine.stop(name)


def scalar(machine: Machine, query: str, *params: object) -> int:
    """The one number a query returns."""
    row = machine.connection().execute(query, params).fetchone()
    return int(row[0]) if row else 0


def finished_jobs(machine: Machine, job_type: str) -> int:
    """Jobs of a type that ever finished, from the rollups."""
    return scalar(machine, _FINISHED, job_type)


def sqs_calls(machine: Machine, *names: str) -> Counter[str]:
    """SQS calls by action that these processes reported when they stopped."""
    total: Counter[str] = Counter()
    for name in names:
        for line in (machine.directory / f"{name}.log").read_text().splitlines():
            total.update(json.loads(line).get("sqs_calls", {}))
    return total
