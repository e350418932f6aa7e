"""Everything about one job: its row, its events, and the tries to come. Secrets are masked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from infra.postgres.coming_tries import ComingTry, coming_tries
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.redaction import MASK, Plain, redact
from retinue.errors import ConfigurationError, InvalidPayload, NotFound, UnknownType
from retinue.payload import validate_payload
from retinue.servant import load_servant
from retinue.states import JobState, Reason

#: The most events shown with one job, the first ones.
MAX_EVENTS = 200


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One change of a job's state. The happy path shows in the job's own times and leaves no events.

    `servant_id` and `run_seconds` are the attempt's, where it failed; then `has_evidence` says that there is more.
    """

    at: datetime
    attempt: int
    from_state: JobState
    to_state: JobState
    reason: Reason
    detail: Any
    servant_id: int | None = None
    run_seconds: float | None = None
    has_evidence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """Everything about one job, secrets masked. `seen_at` is the database's time of the reading."""

    id: int
    type: str
    account_id: int | None
    account_name: str | None
    lane: str
    priority: int
    state: JobState
    reason: Reason
    attempt: int
    failures: int
    deaths: int
    created_at: datetime
    run_at: datetime
    queued_at: datetime | None
    claimed_at: datetime | None
    lease_until: datetime | None
    finished_at: datetime | None
    run_seconds: float | None
    servant_id: int | None
    servant_host: str | None
    servant_pid: int | None
    schedule_id: int | None
    fire_at: datetime | None
    retry_of: int | None
    group_id: int | None
    request_id: str | None
    unique_key: str | None
    payload: Any
    checkpoint: Any
    progress_done: int | None
    progress_total: int | None
    error: Any
    cancel_requested_at: datetime | None
    result: Any
    seen_at: datetime
    events: list[JobEvent] = field(default_factory=list)
    coming_tries: list[ComingTry] = field(default_factory=list)

    @property
    def wait_seconds(self) -> float | None:
        """From when it was due to when its last attempt began."""
        return None if self.claimed_at is None else max(0.0, (self.claimed_at - self.run_at).total_seconds())


def show_job(connection: psycopg.Connection, job_id: int) -> JobDetails:
    """Everything about one job.

    Raises:
        NotFound: there is no such job; its history may have been dropped.
    """
    job = find_job(connection, job_id)
    events = rows_as(connection, JobEvent, "list_job_events", {"id": job_id, "limit": MAX_EVENTS})
    return replace(
        job,
        payload=masked_payload(job.type, job.payload),
        checkpoint=redact(job.checkpoint),
        error=redact(job.error),
        result=redact(job.result),
        events=[_presentable_event(event) for event in events],
        coming_tries=tries_of(job),
    )


def find_job(connection: psycopg.Connection, job_id: int) -> JobDetails:
    """One job's row as it is, nothing masked; unfinished or from history.

    Raises:
        NotFound: there is no such job.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement("find_job"), {"id": job_id}).fetchone()
    if row is None:
        raise NotFound(f"There is no job {job_id}. If it finished long ago, its history has been dropped since.")
    return JobDetails(**row | {"state": JobState(row["state"]), "reason": Reason(row["reason"])})


def masked_payload(job_type: str, payload: Any) -> Plain:
    """`payload` for people: what its type marks as sensitive is masked, and so is whatever is named like a secret.

    Which fields are sensitive only the type knows; where it is not installed, or cannot read this payload, every value
    is masked.
    """
    try:
        return redact(validate_payload(job_type, load_servant(job_type).payload, payload))
    except (UnknownType, ConfigurationError, InvalidPayload):
        return dict.fromkeys(payload, MASK) if isinstance(payload, dict) else MASK


def _presentable_event(event: JobEvent) -> JobEvent:
    return replace(
        event,
        from_state=JobState(event.from_state),
        to_state=JobState(event.to_state),
        reason=Reason(event.reason),
        detail=redact(event.detail),
    )


def tries_of(job: JobDetails) -> list[ComingTry]:
    """The tries to come of a job that failed and waits; none of any other."""
    if job.state is not JobState.PENDING:
        return []
    return coming_tries(job.type, failures=job.failures, error=job.error, start=max(job.run_at, job.seen_at))
