"""Strict order: what becomes of a lane whose head has failed for good."""

from __future__ import annotations

import pytest

from retinue import NoPayload, StrictOrder
from retinue.errors import ConfigurationError
from retinue.holds import HoldKind
from retinue.job import Job
from retinue.order import keep_order
from retinue.outcomes import Completed, Fail, Outcome, Retry
from retinue.retry import Exponential
from retinue.servant import servant
from retinue.settlement import Settlement, settle
from retinue.states import JobState, Reason, allowed

POLICY = Exponential(attempts=3)


def settled(outcome: Outcome, *, failures: int = 0) -> Settlement:
    return settle(7, 3, outcome, retry=POLICY, failures=failures)


@pytest.mark.parametrize("policy", [None, *StrictOrder])
@pytest.mark.parametrize("outcome", [Completed(), Retry()])
def test_what_has_not_failed_for_good_goes_its_way(outcome: Outcome, policy: StrictOrder | None) -> None:
    settlement = settled(outcome)
    assert keep_order(settlement, policy) is settlement


@pytest.mark.parametrize("policy", [None, StrictOrder.SKIP])
def test_a_failed_head_is_skipped(policy: StrictOrder | None) -> None:
    settlement = settled(Fail("no such contact"))
    assert keep_order(settlement, policy) is settlement


def test_a_failed_head_parks_its_lane() -> None:
    kept = keep_order(settled(Retry(None, "refused", "Refused"), failures=2), StrictOrder.PARK)
    assert (kept.state, kept.reason) == (JobState.FAILED, Reason.EXHAUSTED)
    assert kept.hold is not None
    assert (kept.hold.kind, kept.hold.scope, kept.hold.until) == (HoldKind.ORDER, "job:7", None)
    assert kept.hold.reason == "job 7, the head of the order, failed: Refused: refused"


def test_a_failed_head_stays_and_holds_its_lane() -> None:
    kept = keep_order(settled(Fail("no such contact", "Gone")), StrictOrder.HOLD)
    assert (kept.state, kept.failed_attempt) == (JobState.PENDING, False)
    assert kept.error is not None
    assert kept.error["kind"] == "Gone"
    assert kept.hold is not None
    assert allowed(JobState.RUNNING, kept.state, kept.reason)


def test_a_lane_in_strict_order_has_one_place() -> None:
    @servant("test.ordered", order=StrictOrder.SKIP)
    def ordered(job: Job[NoPayload]) -> Outcome | None:
        return None

    assert ordered.lane_places == 1
    with pytest.raises(ConfigurationError, match="strict order a lane runs one job at a time, got lane_limit=3"):
        servant("test.ordered", order=StrictOrder.SKIP, lane_limit=3)(ordered.handler)
