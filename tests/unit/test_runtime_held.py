"""The jobs a process holds: who counts as running, who is over, and who was the first to ask."""

from __future__ import annotations

from typing import Any

import pytest

from retinue.job import Job
from retinue.payload import NoPayload
from servants.runtime.held import HeldJob, HeldJobs
from tests.support.race import DEADLINE_SECONDS, in_background, together
from tests.support.runtime import held_job


def job_of(held: HeldJob) -> Job[NoPayload]:
    no_services: Any = None
    held.job = Job(held.facts, NoPayload(), no_services)
    return held.job


def test_jobs_are_held_in_the_order_of_their_claims_until_they_are_removed() -> None:
    first, second, third = (held_job(n) for n in (3, 1, 2))
    jobs = HeldJobs()
    jobs.add([first, second])
    jobs.add([third])
    jobs.remove([second, second])
    assert (jobs.snapshot(), len(jobs)) == ([first, third], 2)


def test_two_attempts_of_one_job_are_held_side_by_side() -> None:
    early, late = held_job(7, attempt=1), held_job(7, attempt=2)
    jobs = HeldJobs()
    jobs.add([early])
    jobs.add([late])
    jobs.remove([early])
    assert jobs.snapshot() == [late]


@pytest.mark.parametrize(
    ("changes", "runs"),
    [
        ({}, False),
        ({"started_at": 1.0}, True),
        ({"started_at": 1.0, "lost": True}, True),
        ({"started_at": 1.0, "finished": True}, False),
        ({"started_at": 1.0, "abandoned": True}, False),
    ],
)
def test_a_job_runs_from_its_start_to_its_end_or_until_it_is_given_up(changes: dict[str, Any], runs: bool) -> None:
    held = held_job()
    for name, value in changes.items():
        setattr(held, name, value)
    jobs = HeldJobs()
    jobs.add([held])
    assert (jobs.running() == [held]) is runs


def test_a_job_is_not_over_while_something_is_left_to_write() -> None:
    held = held_job()
    assert not held.over
    job_of(held)
    held.finished = True
    assert not held.over


def test_a_job_that_completed_in_its_own_commit_is_over() -> None:
    held = held_job()
    job_of(held).settled = True
    assert held.over


@pytest.mark.parametrize("way", ["abandoned", "lost"])
def test_a_job_that_is_given_up_or_lost_is_over(way: str) -> None:
    held = held_job()
    setattr(held, way, True)
    assert held.over


def test_the_first_to_ask_gives_reason_and_moment() -> None:
    held = held_job()
    job = job_of(held)
    held.ask_to_stop("cancelled", 5.0)
    held.ask_to_stop("servant draining", 9.0)
    assert (held.asked_why, held.asked_at, job.cancelled.reason) == ("cancelled", 5.0, "cancelled")


def test_a_job_that_was_asked_before_it_had_a_handler_is_known_to_be_asked() -> None:
    held = held_job()
    held.ask_to_stop("cancelled", 5.0)
    assert (held.asked_why, held.asked_at) == ("cancelled", 5.0)


def test_all_who_ask_at_once_agree_on_the_reason() -> None:
    for _ in range(50):
        held = held_job()
        job = job_of(held)
        together([lambda n=n, held=held: held.ask_to_stop(f"reason {n}", float(n)) for n in range(3)])  # type: ignore[misc] # a lambda's default keeps this turn's value
        assert held.asked_why == job.cancelled.reason == f"reason {held.asked_at:.0f}"


def test_waiting_until_empty_ends_with_the_last_removal() -> None:
    held, jobs = held_job(), HeldJobs()
    jobs.add([held])
    assert not jobs.wait_until_empty(0)
    with in_background(lambda: jobs.wait_until_empty(DEADLINE_SECONDS)) as emptied:
        jobs.remove([held])
        assert emptied.result(DEADLINE_SECONDS)
