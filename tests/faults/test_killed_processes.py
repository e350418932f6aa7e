"""Every process is killed in turn while jobs run: each job completes, each effect is there exactly once."""

from __future__ import annotations

import os
from itertools import cycle

import pytest

from tests.support.fleet import Fleet

#: Killed in this order, each while jobs are in flight.
VICTIMS = ("servant-0", "scheduler", "sqs", "postgres")


@pytest.mark.timeout(240)
def test_every_process_killed_once(fleet: Fleet) -> None:
    run_with_kills(fleet, jobs=1200, kills=len(VICTIMS))


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_ten_thousand_jobs_while_every_process_is_killed_in_turn(fleet: Fleet) -> None:
    rounds = int(os.environ.get("RETINUE_PROOF_ROUNDS", "3"))
    run_with_kills(fleet, jobs=10_000, kills=rounds * len(VICTIMS))


@pytest.mark.timeout(180)
def test_sqs_restarted_with_an_empty_memory(fleet: Fleet) -> None:
    start(fleet)
    fleet.enqueue(*({"effect": True, "message": f"{n}"} for n in range(400)))
    fleet.wait(lambda: fleet.finished() >= 40, "the first jobs")

    fleet.kill("sqs")
    fleet.restart("sqs")

    fleet.wait(lambda: fleet.finished() == 400, "all jobs after the queue lost everything")
    assert_each_effect_once(fleet, 400)


def run_with_kills(fleet: Fleet, *, jobs: int, kills: int) -> None:
    """Kill a process each time another part of the jobs has finished, and start it again."""
    start(fleet)
    fleet.enqueue(*({"effect": True, "message": f"{n}"} for n in range(jobs)))
    for n, victim in zip(range(1, kills + 1), cycle(VICTIMS), strict=False):
        fleet.wait(lambda share=n / (kills + 1): fleet.finished() >= share * jobs, f"work before {victim} is killed")  # type: ignore[misc] # a lambda's default keeps this turn's value
        fleet.kill(victim)
        fleet.restart(victim)
    fleet.wait(lambda: fleet.finished() == jobs, "all jobs", seconds=180)
    assert_each_effect_once(fleet, jobs)


def start(fleet: Fleet) -> None:
    fleet.start_scheduler()
    fleet.start_servant("servant-0")
    fleet.start_servant("servant-1")


def assert_each_effect_once(fleet: Fleet, jobs: int) -> None:
    assert fleet.number("SELECT count(*) FROM job_history WHERE state = 'completed'") == jobs
    assert fleet.number("SELECT count(*) FROM jobs") == 0, "something is left pending, queued or running"
    effects = fleet.rows("SELECT count(*), count(DISTINCT job_id), count(DISTINCT message) FROM echoes")
    assert effects == [(jobs, jobs, jobs)], "an effect is missing or there twice"
