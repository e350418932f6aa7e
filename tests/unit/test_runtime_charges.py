"""What lanes used of a servant's time, beyond what they were charged with."""

from __future__ import annotations

import pytest

from retinue.job import JobFacts
from servants.runtime.charges import Charges, LaneUse
from servants.runtime.held import HeldJob


def job(lane: str = "account:1", *, charged: float = 0.0, started_at: float | None = None) -> HeldJob:
    facts = JobFacts(1, "t.t", 1, None, lane, 0, None, None, None, charged_seconds=charged)
    return HeldJob(facts, "{}", 0.0, started_at)


def test_a_job_that_took_longer_than_charged_is_reported() -> None:
    charges = Charges()
    charges.ended(job(charged=0.5), 2.0)
    charges.ended(job("account:2", charged=3.0), 1.0)
    assert charges.take() == [LaneUse("account:1", 1.5, 2.0, 1), LaneUse("account:2", -2.0, 1.0, 1)]
    assert charges.take() == []


def test_small_differences_wait_until_they_add_up() -> None:
    charges = Charges()
    for _ in range(9):
        charges.ended(job(), 0.001)
    assert charges.take() == []
    charges.ended(job(), 0.002)
    (use,) = charges.take()
    assert use.charge == pytest.approx(0.011)
    assert use.jobs == 10


def test_a_long_job_is_reported_while_it_runs_and_no_second_twice() -> None:
    charges, long = Charges(), job(charged=1.0, started_at=10.0)
    charges.running([long], 12.0)
    charges.running([long], 12.0)
    assert [use.charge for use in charges.take()] == [pytest.approx(1.0)]
    charges.ended(long, 5.0)
    (use,) = charges.take()
    assert use.charge == pytest.approx(3.0)
    assert (use.run_seconds, use.jobs) == (5.0, 1)


def test_a_job_that_has_not_used_up_its_charge_is_not_reported() -> None:
    charges = Charges()
    charges.running([job(charged=5.0, started_at=10.0), job()], 12.0)
    assert charges.take() == []


def test_what_never_began_gives_its_charge_back() -> None:
    charges = Charges()
    charges.unused(job(charged=0.3))
    assert charges.take() == [LaneUse("account:1", -0.3, 0.0, 0)]


def test_a_report_that_failed_is_made_again() -> None:
    charges = Charges()
    charges.ended(job(), 1.0)
    uses = charges.take()
    charges.give_back(uses)
    assert charges.take() == uses
