"""How far a bulk operation is: its job's checkpoint and result, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from infra.postgres.bulk_acts import LEFT_ALONE
from infra.postgres.job_details import JobDetails
from retinue.bulk import BULK_TYPE
from retinue.states import JobState

_DONE = {
    "cancelled": "cancelled",
    "cancel_requested": "asked to stop",
    "group_cancelled": "finished before; their groups were cancelled",
    "retried": "run again",
    "rescheduled": "given another time",
}


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """`looked_at` jobs of `expected`, which is None where it is not known; `ready_at` is an estimate."""

    operation: str
    wanted: list[tuple[str, str]]
    looked_at: int
    expected: int | None
    done: list[tuple[str, int]]
    left_alone: list[tuple[str, int]]
    ready_at: datetime | None


def bulk_progress(job: JobDetails) -> BulkProgress | None:
    """How far the job is; None for a job of another type."""
    if job.type != BULK_TYPE or not isinstance(job.payload, dict):
        return None
    counts = _counts(job)
    done, left = counts.get("done", {}), counts.get("left_alone", {})
    looked_at = sum(done.values()) + sum(left.values())
    expected = job.payload.get("expected")
    return BulkProgress(
        operation=str(job.payload.get("operation", "")),
        wanted=_wanted(job.payload.get("filter")),
        looked_at=looked_at,
        expected=expected,
        done=[(_DONE.get(deed, deed), count) for deed, count in done.items()],
        left_alone=[(LEFT_ALONE.get(reason, reason), count) for reason, count in left.items()],
        ready_at=_ready_at(job, looked_at, expected),
    )


def _counts(job: JobDetails) -> Mapping[str, Any]:
    kept = job.result if job.result is not None else job.checkpoint
    return kept if isinstance(kept, dict) else {}


def _wanted(given: Any) -> list[tuple[str, str]]:
    """What its filter says, as far as it says something."""
    if not isinstance(given, dict):
        return []
    told = {name: value for name, value in given.items() if value not in (None, [], False)}
    return [(name.replace("_", " "), _words(value)) for name, value in told.items()]


def _words(value: Any) -> str:
    if value is True:
        return "yes"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _ready_at(job: JobDetails, looked_at: int, expected: int | None) -> datetime | None:
    if job.state is not JobState.RUNNING or not expected or not looked_at or job.claimed_at is None:
        return None
    so_far = job.seen_at - job.claimed_at
    return job.seen_at + timedelta(seconds=so_far.total_seconds() * max(0, expected - looked_at) / looked_at)
