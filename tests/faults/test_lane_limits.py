"""A limit of one is never passed and never leaks, however many servants are killed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.invariants import broken_rules
from tests.support.trials import LANE, TYPE, TrialFleet, trial, trials

LANES = 4

#: Jobs are added while fewer than this wait.
BACKLOG = 40


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
    names = [f"servant-{n}" for n in range(servants)]
    start(fleet, names)
    left = kills
    while left:
        top_up(fleet, draw)
        wait_for_work(fleet)
        left -= kill_some(fleet, draw.sample(names, min(draw.randint(1, servants // 2), left)))
    fleet.wait(fleet.drained, "the lanes to go on and drain")
    with psycopg.connect(fleet.machine.url, autocommit=True) as sql:
        assert broken_rules(sql) == [], f"seed {seed}"
        tell(sql, f"{kills} kills, seed {seed}")


def start(fleet: TrialFleet, names: list[str]) -> None:
    fleet.start_scheduler()
    for n, name in enumerate(names):
        fleet.start_servant(name, (LANE, TYPE)[n % 2])


def kill_some(fleet: TrialFleet, names: list[str]) -> int:
    """Kill these together, then start them again."""
    for name in names:
        fleet.kill(name)
    for name in names:
        fleet.restart(name)
    return len(names)


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


def wait_for_work(fleet: TrialFleet) -> None:
    """Until attempts have begun that none of those before this moment are."""
    begun = fleet.number("SELECT count(*) FROM trial_begun")
    fleet.wait(lambda: fleet.number("SELECT count(*) FROM trial_begun") >= begun + 2, "attempts to begin")
