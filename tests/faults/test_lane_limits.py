"""A limit of one is never passed and never leaks, however many servants are killed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.invariants import broken_rules
from tests.support.nursery import Nursery, nursery
from tests.support.trials import LANE, TYPE, TrialFleet, trial, trials

LANES = 8

#: Jobs are added while fewer than this wait.
BACKLOG = 40

#: The processes whose jobs have begun.
BUSY = """
    SELECT DISTINCT servants.pid
    FROM jobs
    JOIN servants ON servants.id = jobs.servant_id
    JOIN trial_begun AS begun ON begun.job_id = jobs.id AND begun.attempt = jobs.attempt
    WHERE jobs.state = 'running'
"""


@pytest.fixture
def fleet() -> Iterator[TrialFleet]:
    with trials(RETINUE_LEASE_SECONDS="2", RETINUE_HEARTBEAT_SECONDS="0.5", RETINUE_QUEUED_TIMEOUT_SECONDS="2") as made:
        yield made


@pytest.mark.timeout(180)
def test_limits_of_one_hold_through_fifteen_kills(fleet: TrialFleet) -> None:
    run_with_kills(fleet, kills=15, seed=1, servants=6)


@pytest.mark.proof
@pytest.mark.timeout(1500)
def test_limits_of_one_hold_through_a_thousand_kills(fleet: TrialFleet) -> None:
    seed = int(os.environ.get("SEED", "1"))
    run_with_kills(fleet, kills=int(os.environ.get("KILLS", "1000")), seed=seed, servants=12)


def run_with_kills(fleet: TrialFleet, *, kills: int, seed: int, servants: int) -> None:
    """Kill while both limits are at work; then everything left drains, and the database tells how it was."""
    draw = random.Random(seed)  # noqa: S311 - a seed that repeats is the purpose
    types = {f"servant-{n}": (LANE, TYPE)[n % 2] for n in range(servants)}
    fleet.start_scheduler()
    with nursery(fleet.machine.environment, fleet.machine.directory / "servants.log") as home:
        for name, job_type in types.items():
            home.start_servant(name, job_type)
        left = kills
        while left:
            top_up(fleet, draw)
            names = next_victims(fleet, home, draw, left)
            kill_some(home, {name: types[name] for name in names})
            left -= len(names)
        fleet.wait(fleet.drained, "the lanes to go on and drain", seconds=180)
    with psycopg.connect(fleet.machine.url, autocommit=True) as sql:
        assert broken_rules(sql) == [], f"seed {seed}"
        tell(sql, f"{kills} kills, seed {seed}")


def kill_some(home: Nursery, types: dict[str, str]) -> None:
    """Kill these together, then start them again."""
    for name in types:
        home.kill(name)
    for name, job_type in types.items():
        home.start_servant(name, job_type)


def tell(sql: psycopg.Connection, what: str) -> None:
    """The proof's figures."""
    query = "SELECT type, count(*), count(*) FILTER (WHERE attempt > 1), max(attempt) FROM job_history GROUP BY type"
    jobs = [
        f"{name}: {count} jobs, {again} tried again, {most} tries at most"
        for name, count, again, most in sql.execute(query)
    ]
    (rescues,) = sql.execute("SELECT count(*) FROM job_events WHERE reason = 'rescue'").fetchone() or (0,)
    print(f"{what}; {rescues} rescues; {'; '.join(jobs)}; every limit held")  # noqa: T201 - what a proof is run for


def top_up(fleet: TrialFleet, draw: random.Random) -> None:
    waiting = fleet.number("SELECT count(*) FROM jobs")
    if waiting < BACKLOG:
        kinds = (LANE, TYPE)
        fleet.enqueue_trials(
            [
                trial(kinds[n % 2], lane=f"lane-{n % LANES}", seconds=draw.choice((0, 0.005, 0.02, 0.1)))
                for n in range(BACKLOG)
            ]
        )


def next_victims(fleet: TrialFleet, home: Nursery, draw: random.Random, most: int) -> list[str]:
    """Servants that hold jobs, up to two, and some others; waits until one holds a job."""
    busy: list[str] = []

    def found() -> bool:
        pids = {row[0] for row in fleet.rows(BUSY)}
        busy[:] = sorted(name for name, pid in home.pids.items() if pid in pids)
        return bool(busy)

    fleet.wait(found, "a servant to have work")
    chosen = draw.sample(busy, min(2, len(busy)))
    others = sorted(set(home.pids) - set(chosen))
    return (chosen + draw.sample(others, draw.randint(0, len(others) // 2)))[:most]
