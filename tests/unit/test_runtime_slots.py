"""Slots, what they leave waiting, and the watch over what they run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from retinue import Completed, Job, Outcome, seconds
from servants.runtime.capacity import Capacity
from servants.runtime.held import HeldJob, HeldJobs
from servants.runtime.performer import CANCELLED, DRAINING, LEASE_LOST, TIMED_OUT, Performed, Performer
from servants.runtime.rate import RateMeter
from servants.runtime.slots import Slots
from servants.runtime.surplus import PATIENCE_SECONDS, Surplus
from servants.runtime.watch import Watch
from tests.support.race import DEADLINE_SECONDS, wait_until
from tests.support.runtime import Say, held_job, kind_of


def slots(count: int, handler: Callable[[Job[Say]], Outcome | None], performed: list[Performed]) -> Slots:
    no_services: Any = None
    return Slots(count, Performer(kind_of(handler), no_services, 1), performed.append)


def test_one_slot_performs_its_jobs_in_order() -> None:
    performed: list[Performed] = []
    one = slots(1, lambda job: Completed(), performed)
    jobs = [held_job(n) for n in range(20)]
    assert one.put(jobs)
    one.start()
    wait_until(lambda: len(performed) == 20, "all jobs")
    one.close()
    assert [done.held for done in performed] == jobs


def test_nothing_is_left_in_the_context_for_the_next_job() -> None:
    tenant = ContextVar("tenant", default="nobody")
    seen: list[str] = []

    def handler(job: Job[Say]) -> Outcome:
        seen.append(tenant.get())
        tenant.set(f"the tenant of {job.id}")
        return Completed()

    performed: list[Performed] = []
    one = slots(1, handler, performed)
    one.put([held_job(n) for n in range(3)])
    one.start()
    wait_until(lambda: len(performed) == 3, "all jobs")
    one.close()
    assert seen == ["nobody"] * 3


def test_a_performer_that_breaks_costs_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    performed: list[Performed] = []
    one = slots(1, lambda job: Completed(), performed)

    def break_down(held: HeldJob, outcome: Outcome) -> None:
        raise RuntimeError(f"at the end of {held.facts.id}")

    monkeypatch.setattr(one._performer, "_conclude", break_down)
    one.put([held_job(1), held_job(2)])
    one.start()
    wait_until(lambda: len(performed) == 2, "both jobs")
    one.close()
    assert [done.settlement and done.settlement.failed_attempt for done in performed] == [True, True]


def test_closing_hands_back_what_has_not_begun_and_ends_the_threads() -> None:
    idle = slots(2, lambda job: None, [])
    jobs = [held_job(n) for n in range(3)]
    idle.put(jobs)
    assert idle.close() == jobs
    assert not idle.put([held_job(9)])
    assert idle.take_back(keep=0) == []
    idle.start()
    for thread in idle._threads:
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()


def test_taking_back_keeps_the_oldest() -> None:
    performed: list[Performed] = []
    two = slots(1, lambda job: None, performed)
    jobs = [held_job(n) for n in range(5)]
    two.put(jobs)
    assert two.take_back(keep=2) == jobs[2:]
    two.start()
    wait_until(lambda: len(performed) == 2, "the oldest two")
    assert two.close() == []
    assert [done.held for done in performed] == jobs[:2]


class Waiting:
    """Two slots that run slow jobs, behind which quick ones wait that came in one message."""

    def __init__(self, *, age: float, mean: float | None) -> None:
        now = time.monotonic()
        self.held = HeldJobs()
        self.released: list[HeldJob] = []
        self.slots = slots(2, lambda job: None, [])
        running, self.waiting = [held_job(n) for n in range(2)], [held_job(n) for n in range(2, 12)]
        for job in running:
            job.started_at = now - 60
        for job in (*running, *self.waiting):
            job.claimed_at = now - age
        self.held.add([*running, *self.waiting])
        self.slots.put(self.waiting)
        self.meter = RateMeter(2, self.held)
        if mean is not None:
            self.meter.add(mean)
        capacity = Capacity(2, self.meter, self.held)
        self.surplus = Surplus(self.slots, capacity, self.held, release=self.released.extend)


def test_jobs_behind_slow_ones_are_handed_back_after_a_while() -> None:
    after_quick_jobs = Waiting(age=PATIENCE_SECONDS, mean=0.001)
    assert after_quick_jobs.surplus.look().done == 10
    assert after_quick_jobs.released == after_quick_jobs.waiting


def test_jobs_that_came_just_now_are_kept() -> None:
    just_now = Waiting(age=PATIENCE_SECONDS / 2, mean=0.001)
    assert just_now.surplus.look().done == 0
    assert just_now.slots.take_back(keep=0) == just_now.waiting


def test_jobs_that_will_soon_have_their_turn_are_kept() -> None:
    soon = Waiting(age=PATIENCE_SECONDS, mean=0.05)
    for job in soon.held.running():
        job.started_at = time.monotonic()
    # Two slots, 40 jobs a second, 0.15 seconds ahead.
    assert soon.surplus.look().done == 10 - 6
    assert soon.released == soon.waiting[6:]


def test_nothing_waits_where_nothing_is_held() -> None:
    idle = Waiting(age=PATIENCE_SECONDS, mean=None)
    idle.held.remove(idle.held.snapshot())
    assert idle.surplus.look().done == 0


class Watched:
    """One running job under a limit of 10 seconds and a grace of 5."""

    def __init__(self, *, age: float) -> None:
        kind = kind_of(lambda job: None, timeout=seconds(10), grace=seconds(5))
        self.held = HeldJobs()
        self.settled: list[Performed] = []
        self.overruns = 0
        self.job = held_job()
        self.job.started_at = time.monotonic() - age
        self.held.add([self.job])
        self.watch = Watch(kind, self.held, settle=self.settled.append, on_overrun=self._overrun)

    def ask(self, why: str, *, ago: float) -> None:
        self.job.ask_to_stop(why, time.monotonic() - ago)

    def _overrun(self) -> None:
        self.overruns += 1


def test_a_job_within_its_limit_is_left_alone() -> None:
    watched = Watched(age=9)
    assert watched.watch.look().done == 1
    assert watched.job.asked_at is None


def test_a_job_past_its_limit_is_asked_to_stop_once() -> None:
    watched = Watched(age=11)
    watched.watch.look()
    asked_at = watched.job.asked_at
    watched.watch.look()
    assert (watched.job.asked_why, watched.job.asked_at) == (TIMED_OUT, asked_at)
    assert watched.settled == []


@pytest.mark.parametrize("why", [CANCELLED, TIMED_OUT])
def test_a_job_past_its_grace_is_given_up_once(why: str) -> None:
    watched = Watched(age=20)
    watched.ask(why, ago=6)
    for _ in range(2):
        watched.watch.look()
    (performed,) = watched.settled
    assert performed.settlement is not None
    assert performed.settlement.reason == "overrun"
    assert why in (performed.settlement.error or {})["message"]
    assert performed.run_seconds == pytest.approx(20, abs=1)
    assert (watched.overruns, watched.job.abandoned) == (1, True)


def test_a_job_that_lost_its_lease_is_given_up_without_a_word() -> None:
    watched = Watched(age=20)
    watched.job.lost = True
    watched.ask(LEASE_LOST, ago=6)
    for _ in range(2):
        watched.watch.look()
    assert [performed.settlement for performed in watched.settled] == [None]
    assert watched.overruns == 1


@pytest.mark.parametrize("ago", [4, 6])
def test_the_drain_has_a_clock_of_its_own(ago: float) -> None:
    watched = Watched(age=20)
    watched.ask(DRAINING, ago=ago)
    watched.watch.look()
    assert (watched.settled, watched.overruns) == ([], 0)


def test_a_job_that_has_ended_waits_for_its_settling_unwatched() -> None:
    watched = Watched(age=20)
    watched.ask(CANCELLED, ago=6)
    watched.job.finished = True
    assert watched.watch.look().done == 0
    assert (watched.settled, watched.overruns) == ([], 0)


@pytest.mark.parametrize(
    ("timeout", "grace", "expected"), [(300, 10, 1), (1, 10, 0.25), (300, 1, 0.25), (0.01, 0, 0.05)]
)
def test_the_watch_looks_often_enough_for_the_shortest_limit(timeout: float, grace: float, expected: float) -> None:
    kind = kind_of(lambda job: None, timeout=seconds(timeout), grace=seconds(grace))
    watch = Watch(kind, HeldJobs(), settle=lambda _: None, on_overrun=lambda: None)
    assert watch.interval_seconds == expected
