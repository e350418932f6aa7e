"""How much a servant takes ahead, and how it waits for room."""

from __future__ import annotations

import threading

from servants.runtime.capacity import Capacity
from servants.runtime.held import HeldJobs
from servants.runtime.rate import RateMeter
from tests.support.race import DEADLINE_SECONDS, in_background
from tests.support.runtime import held_job


def capacity(slots: int, *, held: HeldJobs | None = None, job_seconds: float | None = None) -> Capacity:
    jobs = held or HeldJobs()
    meter = RateMeter(slots, jobs)
    if job_seconds is not None:
        meter.add(job_seconds)
    return Capacity(slots, meter, jobs)


def holding(count: int) -> HeldJobs:
    held = HeldJobs()
    held.add([held_job(n) for n in range(count)])
    return held


def test_there_is_room_for_the_slots_before_anything_is_known() -> None:
    assert capacity(4).room() == 4


def test_quick_jobs_are_taken_ahead_and_slow_ones_are_not() -> None:
    assert capacity(4, job_seconds=0.01).room() == 4 + 60
    assert capacity(4, job_seconds=60).room() == 4


def test_what_is_held_takes_room_and_may_exceed_it() -> None:
    assert capacity(4, held=holding(3)).room() == 1
    assert capacity(4, held=holding(9)).room() == -5


def test_whoever_waits_for_room_has_it_when_a_job_leaves() -> None:
    held, stopped = holding(4), threading.Event()
    full = capacity(4, held=held)
    with in_background(lambda: full.wait_for_room(stopped)) as room:
        held.remove(held.snapshot()[:2])
        assert room.result(DEADLINE_SECONDS) == 2


def test_whoever_waits_for_room_goes_when_it_is_stopped() -> None:
    stopped = threading.Event()
    full = capacity(4, held=holding(4))
    with in_background(lambda: full.wait_for_room(stopped)) as room:
        stopped.set()
        full.wake()
        assert room.result(DEADLINE_SECONDS) == 0


def test_there_is_no_room_once_stopped() -> None:
    stopped = threading.Event()
    stopped.set()
    assert capacity(4).wait_for_room(stopped) == 0
