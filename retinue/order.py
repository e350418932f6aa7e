"""Strict order: what becomes of a lane whose oldest job has failed for good."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from retinue.holds import Hold, HoldKind
from retinue.settlement import Settlement
from retinue.states import JobState, Reason


class StrictOrder(StrEnum):
    """The jobs of a lane run one at a time, in the order in which they were enqueued; when one has failed for good: …

    The try it fails for good on is the retry policy's last one, or a permanent error.
    """

    HOLD = "hold"  # it stays the head, and the lane is held until a person resumes it or cancels that job
    PARK = "park"  # it fails, and the lane is held until a person resumes it: the next one then starts
    SKIP = "skip"  # it fails, and the next one starts


def keep_order(settlement: Settlement, policy: StrictOrder | None) -> Settlement:
    """What is written in strict order instead of `settlement`; the same one unless it fails for good."""
    if policy in (None, StrictOrder.SKIP) or settlement.state is not JobState.FAILED:
        return settlement
    hold = Hold(HoldKind.ORDER, order_scope(settlement.job_id), None, _reason(settlement.job_id, settlement.error))
    if policy is StrictOrder.PARK:
        return settlement._replace(hold=hold)
    return Settlement(
        job_id=settlement.job_id,
        attempt=settlement.attempt,
        state=JobState.PENDING,
        reason=Reason.SNOOZE,
        error=settlement.error,
        hold=hold,
        evidence=settlement.evidence,
    )


def order_scope(job_id: int) -> str:
    """The scope of the hold of a lane whose order waits for this job."""
    return f"job:{job_id}"


def _reason(job_id: int, error: Mapping[str, object] | None) -> str:
    said = f": {error['kind']}: {error['message']}" if error else ""
    return f"job {job_id}, the head of the order, failed{said}"
