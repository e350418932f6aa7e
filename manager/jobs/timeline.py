"""What happened to a job, in its order, and what became of each attempt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from infra.postgres.job_details import JobDetails, JobEvent
from retinue.states import TERMINAL, JobState, Reason

#: What stands for each change of state that leaves an event.
_SAID = {
    Reason.UNDELIVERED: "Its message was lost or could not be sent; back in line",
    Reason.RETRY: "Attempt {attempt} failed; it is tried again",
    Reason.SNOOZE: "Put back, without spending an attempt",
    Reason.RELEASE: "Handed back by its servant, without spending an attempt",
    Reason.RESCUE: "Taken back: its servant was lost",
    Reason.EXHAUSTED: "Attempt {attempt} failed; it was the last one",
    Reason.PERMANENT: "Attempt {attempt} failed; trying again cannot help",
    Reason.POISON: "Given up: its servants kept dying with it",
    Reason.OVERRUN: "Given up: it did not stop when it was asked to",
    Reason.CANCEL: "Cancelled",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. `state` gives its mark; `error` is what went wrong."""

    at: datetime
    state: str
    said: str
    error: Any = None
    servant_id: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. What is not known of it is None: only attempts that failed leave all of it."""

    number: int
    state: str
    reason: str
    began: datetime | None
    ended: datetime | None
    ran: float | None
    servant_id: int | None
    error: Any
    has_evidence: bool


def story_of(job: JobDetails) -> list[Happening]:
    """What happened, the last first."""
    return sorted(_happenings(job), key=lambda one: one.at, reverse=True)


def _happenings(job: JobDetails) -> Iterator[Happening]:
    yield Happening(job.created_at, "pending", _made(job))
    yield from (_event(event) for event in job.events)
    if job.queued_at is not None and not _is_past(job, job.queued_at):
        yield Happening(job.queued_at, "queued", "Put on its type's queue")
    if job.claimed_at is not None and not _is_past(job, job.claimed_at):
        yield Happening(job.claimed_at, "running", f"Attempt {job.attempt} began", servant_id=job.servant_id)
    if job.cancel_requested_at is not None and job.state is JobState.RUNNING:
        yield Happening(job.cancel_requested_at, "cancelled", "Asked to stop")
    if job.state is JobState.COMPLETED and job.finished_at is not None:
        yield Happening(job.finished_at, "completed", "Completed", servant_id=job.servant_id)


def _made(job: JobDetails) -> str:
    if job.retry_of is not None:
        return f"Made, to run job {job.retry_of} again"
    if job.schedule_id is not None:
        return f"Made by schedule {job.schedule_id}"
    return "Made"


def _event(event: JobEvent) -> Happening:
    said = _SAID[event.reason].format(attempt=event.attempt)
    state = event.to_state if event.to_state in TERMINAL or event.reason is not Reason.RETRY else JobState.FAILED
    return Happening(event.at, state, said, event.detail, event.servant_id)


def _is_past(job: JobDetails, at: datetime) -> bool:
    """Whether a time of the row belongs to an attempt that has left an event since: the event tells of it."""
    return job.state is JobState.PENDING and any(event.at >= at for event in job.events)


def attempts_of(job: JobDetails) -> list[Attempt]:
    """The attempts that are known, the last first."""
    found = [_attempt(event) for event in job.events if event.from_state is JobState.RUNNING]
    if job.state in (JobState.RUNNING, JobState.COMPLETED):
        found.append(_present(job))
    return found[::-1]


def _attempt(event: JobEvent) -> Attempt:
    began = None if event.run_seconds is None else event.at - timedelta(seconds=event.run_seconds)
    state = "failed" if event.reason is Reason.RETRY else event.to_state.value
    return Attempt(
        event.attempt,
        state,
        event.reason.value,
        began,
        event.at,
        event.run_seconds,
        event.servant_id,
        event.detail,
        event.has_evidence,
    )


def _present(job: JobDetails) -> Attempt:
    return Attempt(
        job.attempt,
        job.state.value,
        job.reason.value,
        job.claimed_at,
        job.finished_at,
        job.run_seconds,
        job.servant_id,
        None,
        has_evidence=False,
    )


def last_failure(job: JobDetails) -> int | None:
    """The last attempt that left a log; None once the job has completed."""
    if job.state is JobState.COMPLETED:
        return None
    return next((event.attempt for event in reversed(job.events) if event.has_evidence), None)
