"""The rate a servant reports: quick jobs that have ended must not hide slow ones that still run."""

from __future__ import annotations

import time

import pytest

from servants.runtime.held import HeldJobs
from servants.runtime.rate import MAX_RATE, RateMeter
from tests.support.runtime import held_job


def running_since(held: HeldJobs, *ages: float) -> None:
    """Jobs that have run for so many seconds."""
    for n, age in enumerate(ages):
        job = held_job(n)
        job.started_at = time.monotonic() - age
        held.add([job])


def test_nothing_is_known_before_a_job_has_ended() -> None:
    held = HeldJobs()
    running_since(held, 5)
    assert RateMeter(4, held).jobs_per_second is None


def test_idle_slots_do_a_job_in_the_mean_time_each() -> None:
    meter = RateMeter(4, HeldJobs())
    meter.add(0.5)
    assert meter.jobs_per_second == pytest.approx(8)
    meter.add(1.5)
    assert meter.jobs_per_second == pytest.approx(4 / 0.55)


def test_no_process_does_more_than_it_can_settle() -> None:
    meter = RateMeter(16, HeldJobs())
    meter.add(0.0)
    assert meter.jobs_per_second == MAX_RATE


def test_slots_that_are_busy_with_jobs_as_quick_as_the_mean_count_fully() -> None:
    held = HeldJobs()
    meter = RateMeter(4, held)
    meter.add(1.0)
    running_since(held, 0.1, 0.5)
    assert meter.jobs_per_second == pytest.approx(4)


def test_one_slow_job_costs_one_slot_of_the_rate() -> None:
    held = HeldJobs()
    meter = RateMeter(4, held)
    meter.add(0.01)
    running_since(held, 100)
    assert meter.jobs_per_second == pytest.approx(300, rel=0.01)


def test_when_every_slot_is_slow_the_rate_is_what_they_show() -> None:
    held = HeldJobs()
    meter = RateMeter(2, held)
    meter.add(0.001)
    running_since(held, 10, 40)
    assert meter.jobs_per_second == pytest.approx(0.1 + 0.025, rel=0.01)
