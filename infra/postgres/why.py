"""Why a job is where it is: what a pending one waits for, who runs a running one, how a finished one ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psycopg

from infra.postgres.coming_tries import ComingTry, attempts_allowed, fingerprint_of
from infra.postgres.job_details import JobDetails, find_job, tries_of
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.postgres.why_blocked import BLOCKING, HELD_KINDS, ReasonKind, Situation, WhyReason, blocks, nobody
from infra.redaction import mask_text
from infra.words import duration, moment
from retinue.lanes import AGE_SECONDS
from retinue.states import TERMINAL, JobState, Reason

#: Due jobs ahead are counted no further than this.
COUNT_CAP = 1000


@dataclass(frozen=True, slots=True)
class Why:
    """All reasons, the one that lasts longest not necessarily first. `expected_start` is an estimate, None where none
    can be made: something holds the job for an unknown time, or it has begun. `coming_tries` are those of a job that
    has failed before and waits; `fingerprint` is that of its last error."""

    job_id: int
    state: JobState
    reasons: list[WhyReason]
    expected_start: datetime | None
    fingerprint: str | None = None
    coming_tries: list[ComingTry] = field(default_factory=list)


def why(
    connection: psycopg.Connection, job_id: int, *, now: datetime | None = None, alive_seconds: float = 30.0
) -> Why:
    """Why the job is where it is.

    `now` is the database's time unless given. A process counts as live if its heartbeat is younger than
    `alive_seconds`, which is the lease.

    Raises:
        NotFound: there is no such job.
    """
    job = find_job(connection, job_id)
    at = now or job.seen_at
    reasons, start = _reasons(connection, job, at, alive_seconds)
    fingerprint = None if job.state is JobState.COMPLETED else fingerprint_of(job.error)
    return Why(job_id, job.state, reasons, start, fingerprint, tries_of(job))


def _reasons(
    connection: psycopg.Connection, job: JobDetails, at: datetime, alive_seconds: float
) -> tuple[list[WhyReason], datetime | None]:
    """The reasons, and when it is expected to start."""
    if job.state in TERMINAL:
        return [_finished(job)], None
    if job.state is JobState.RUNNING:
        return list(_running(job, at)), None
    situation = _situation(connection, job, at, alive_seconds)
    if job.state is JobState.QUEUED:
        return list(_queued(job, situation, at)), None
    ahead = _count_before(connection, job, at)
    reasons = list(_pending(connection, job, situation, at, ahead))
    return reasons, _expected_start(job, situation, reasons, at, ahead)


def _situation(connection: psycopg.Connection, job: JobDetails, at: datetime, alive_seconds: float) -> Situation:
    params = {"type": job.type, "lane": job.lane, "now": at, "alive_seconds": alive_seconds}
    return rows_as(connection, Situation, "read_lane_situation", params)[0]


def _count_before(connection: psycopg.Connection, job: JobDetails, at: datetime) -> int:
    """Due jobs that go before this one in its lane, counted up to the cap."""
    params = {"id": job.id, "type": job.type, "lane": job.lane, "priority": job.priority, "run_at": job.run_at}
    rest = {"now": at, "cap": COUNT_CAP, "age_seconds": AGE_SECONDS}
    row = connection.execute(statement("count_jobs_before"), params | rest).fetchone()
    return 0 if row is None else int(row[0])


def _pending(
    connection: psycopg.Connection, job: JobDetails, situation: Situation, at: datetime, ahead: int
) -> Iterator[WhyReason]:
    is_due = job.run_at <= at
    if not is_due:
        yield _not_due(job)
    yield from blocks(connection, job, situation)
    if is_due:
        yield _turn(job, situation, ahead)


def _not_due(job: JobDetails) -> WhyReason:
    error = _error(job)
    until = moment(job.run_at)
    match job.reason:
        case Reason.RETRY:
            allowed = attempts_allowed(job.type, job.error)
            of = f" of {allowed}" if allowed else ""
            sentence = f"Waits until {until} for try {job.failures + 1}{of}, because the last one failed{error}."
            return WhyReason(ReasonKind.RETRY, sentence, job.run_at)
        case Reason.SNOOZE:
            return WhyReason(ReasonKind.SNOOZED, f"Put back until {until}; no attempt was spent{error}.", job.run_at)
        case Reason.RESCUE:
            sentence = f"Waits until {until}, because the servant that ran it was lost{error}."
            return WhyReason(ReasonKind.RESCUED, sentence, job.run_at)
        case _:
            return WhyReason(ReasonKind.SCHEDULED, f"Scheduled for {until}.", job.run_at)


def _turn(job: JobDetails, situation: Situation, ahead: int) -> WhyReason:
    before = "no due job goes" if ahead == 0 else "1 due job goes" if ahead == 1 else f"{ahead} due jobs go"
    before = f"at least {before}" if ahead >= COUNT_CAP else before
    if situation.servants and situation.type_in_flight >= situation.slots:
        sentence = f"All {situation.slots} slots of type {job.type} are taken; in its lane {before} before it."
        return WhyReason(ReasonKind.SERVANTS_BUSY, sentence)
    if ahead:
        return WhyReason(ReasonKind.TURN, f"It is due; in its lane {before} before it.")
    return WhyReason(ReasonKind.DISPATCH, "It is due and the first of its lane.")


def _expected_start(
    job: JobDetails, situation: Situation, reasons: list[WhyReason], at: datetime, ahead: int
) -> datetime | None:
    kinds = {reason.kind for reason in reasons}
    held = [reason for reason in reasons if reason.kind in HELD_KINDS]
    if kinds & BLOCKING or any(reason.until is None for reason in held):
        return None
    opens = max([job.run_at, *(reason.until for reason in held if reason.until is not None)])
    if opens > at:
        return opens
    if kinds == {ReasonKind.DISPATCH}:
        return at
    if not situation.rate or ReasonKind.LANE_LIMIT in kinds or ahead >= COUNT_CAP:
        return None
    return at + timedelta(seconds=(ahead + situation.type_in_flight) / situation.rate)


def _queued(job: JobDetails, situation: Situation, at: datetime) -> Iterator[WhyReason]:
    since = job.queued_at or job.run_at
    sentence = f"On the queue for {duration(at - since)}, since {moment(since)}; a free servant takes it from there."
    yield WhyReason(ReasonKind.QUEUED, sentence)
    yield from (reason for reason in nobody(job, situation) if reason.kind is ReasonKind.NO_SERVANT)


def _running(job: JobDetails, at: datetime) -> Iterator[WhyReason]:
    since = job.claimed_at or job.run_at
    sentence = f"{_servant(job)} has run attempt {job.attempt} for {duration(at - since)}, since {moment(since)}"
    earlier = f" One before it ended with{_error(job).removeprefix(':')}." if _error(job) else ""
    yield WhyReason(ReasonKind.RUNNING, f"{sentence}{_progress(job)}.{earlier}")
    if job.cancel_requested_at is not None:
        asked = moment(job.cancel_requested_at)
        yield WhyReason(ReasonKind.CANCEL_REQUESTED, f"Asked to stop at {asked}; its servant hears it in a heartbeat.")
    if job.lease_until is not None and job.lease_until < at:
        sentence = f"Its lease ran out at {moment(job.lease_until)}; a scheduler takes it back."
        yield WhyReason(ReasonKind.RESCUED, sentence)


def _servant(job: JobDetails) -> str:
    return f"Servant {job.servant_id}" + (f" (pid {job.servant_pid} on {job.servant_host})" if job.servant_pid else "")


def _progress(job: JobDetails) -> str:
    if job.progress_done is None:
        return ""
    return (
        f"; {job.progress_done} of {job.progress_total} done" if job.progress_total else f"; {job.progress_done} done"
    )


_ENDINGS = {
    Reason.COMPLETE: "Completed",
    Reason.EXHAUSTED: "Failed, its attempts spent,",
    Reason.PERMANENT: "Failed, because trying again cannot help,",
    Reason.POISON: "Failed, because its servants kept dying with it,",
    Reason.OVERRUN: "Failed, because it did not stop when asked,",
    Reason.CANCEL: "Cancelled",
}


def _finished(job: JobDetails) -> WhyReason:
    ended = moment(job.finished_at or job.seen_at)
    ran = "" if job.run_seconds is None else f" after running for {duration(timedelta(seconds=job.run_seconds))}"
    error = "" if job.state is JobState.COMPLETED else _error(job)
    return WhyReason(ReasonKind.FINISHED, f"{_ENDINGS[job.reason]} at {ended}{ran}{error}.")


def _error(job: JobDetails) -> str:
    """`: TransientError: the server failed`, or nothing."""
    if not isinstance(job.error, dict):
        return ""
    message = mask_text(str(job.error.get("message", ""))).rstrip(".")
    return f": {job.error.get('kind', 'error')}: {message}" if message else f": {job.error.get('kind', 'error')}"
