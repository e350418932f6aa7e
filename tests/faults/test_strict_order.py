"""Strict order holds while jobs fail, are tried again, are given up, and their servants are killed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres.enqueue import NewJob
from tests.support.invariants import broken_rules
from tests.support.trials import ORDER, TrialFleet, trial, trials

#: Jobs made in one commit.
CHUNK = 5000

#: Failing tries of a job, drawn for each: with three it is given up and the next one starts.
FAILURES = (0,) * 17 + (1, 2, 3)


@pytest.fixture
def fleet() -> Iterator[TrialFleet]:
    with trials() as made:
        yield made


@pytest.mark.timeout(180)
def test_order_holds_over_six_hundred_jobs(fleet: TrialFleet) -> None:
    run_in_order(fleet, jobs=600, keys=20, kills=2, seed=1)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_order_holds_over_a_hundred_thousand_jobs(fleet: TrialFleet) -> None:
    jobs, keys = int(os.environ.get("JOBS", "100000")), int(os.environ.get("KEYS", "1000"))
    run_in_order(fleet, jobs=jobs, keys=keys, kills=20, seed=int(os.environ.get("SEED", "1")))


def run_in_order(fleet: TrialFleet, *, jobs: int, keys: int, kills: int, seed: int) -> None:
    """Kill a servant, and now and then a scheduler, each time another part of the jobs has finished."""
    draw = random.Random(seed)  # noqa: S311 - a seed that repeats is the purpose
    made = [drawn(draw, keys) for _ in range(jobs)]
    for first in range(0, jobs, CHUNK):
        fleet.enqueue_trials(made[first : first + CHUNK])
    schedulers, servants = start(fleet)
    for n in range(1, kills + 1):
        fleet.wait(lambda share=n / (kills + 1): fleet.finished() >= share * jobs, f"work before kill {n}", seconds=600)  # type: ignore[misc] # a lambda's default keeps this turn's value
        victim = draw.choice(servants if n % 4 else schedulers)
        fleet.kill(victim)
        fleet.restart(victim)
    fleet.wait(fleet.drained, "all jobs", seconds=600)
    with psycopg.connect(fleet.machine.url, autocommit=True) as sql:
        assert broken_rules(sql) == [], f"seed {seed}"
        tell(sql, f"{jobs} jobs in {keys} keys, {kills} kills, seed {seed}")


def drawn(draw: random.Random, keys: int) -> NewJob:
    return trial(ORDER, lane=f"key-{draw.randrange(keys)}", failures=draw.choice(FAILURES))


def start(fleet: TrialFleet) -> tuple[list[str], list[str]]:
    """Two schedulers and four servants; their names."""
    schedulers, servants = ["scheduler-0", "scheduler-1"], [f"servant-{n}" for n in range(4)]
    for name in schedulers:
        fleet.start_scheduler(name)
    for name in servants:
        fleet.start_servant(name, ORDER)
    return schedulers, servants


def tell(sql: psycopg.Connection, what: str) -> None:
    """The proof's figures."""
    states = sql.execute("SELECT state, count(*) FROM job_history GROUP BY state ORDER BY state").fetchall()
    events = sql.execute("SELECT reason, count(*) FROM job_events GROUP BY reason ORDER BY reason").fetchall()
    (seconds,) = sql.execute(
        "SELECT extract(epoch FROM max(finished_at) - min(claimed_at)) FROM job_history"
    ).fetchone() or (0,)
    print(f"{what}: order held in {seconds:.0f} s; {dict(states)}; on the way {dict(events)}")  # noqa: T201 - what a proof is run for
