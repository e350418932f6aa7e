"""What a person does to jobs: retry, cancel, run now, give another time. Each acts on many IDs and answers for each.

All of it happens in the caller's transaction; after the commit the caller rings the bell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import psycopg

from infra.postgres.enqueue import NewJob, enqueue_many
from infra.postgres.holds import release_order_of
from infra.postgres.ordered_types import NOT_RETRIED
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.errors import RetinueError
from retinue.states import TERMINAL, JobState

#: A job may change hands between two statements; it is looked at again this often.
_ROUNDS = 3


class Deed(StrEnum):
    """What was done about one job."""

    RETRIED = "retried"  # a new job was made
    MADE_DUE = "made_due"
    RESCHEDULED = "rescheduled"
    CANCELLED = "cancelled"
    CANCEL_REQUESTED = "cancel_requested"  # its servant stops it
    GROUP_CANCELLED = "group_cancelled"  # it is finished; what is left of the groups it made is cancelled
    NOTHING = "nothing"  # `problem` says why


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of one ID. `new_job_id` is the job made in its stead; `problem` says why nothing was done."""

    job_id: int
    deed: Deed
    new_job_id: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _FoundJob:
    id: int
    type: str
    account_id: int | None
    priority: int
    state: str
    unique_key: str | None
    payload: Any


class Ended(Protocol):
    """What a retry takes over from the job that ended."""

    @property
    def id(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def account_id(self) -> int | None: ...
    @property
    def priority(self) -> int: ...
    @property
    def unique_key(self) -> str | None: ...


def retry_of(job: Ended, *, payload: Any, request_id: str | None = None) -> NewJob:
    """The job that runs an ended one again."""
    return NewJob(
        type=job.type,
        payload=payload,
        account_id=job.account_id,
        priority=job.priority,
        # While the new job is unfinished, retrying the old one again finds it instead of making another.
        unique_key=job.unique_key or f"retry:{job.id}",
        request_id=request_id,
        retry_of=job.id,
    )


def retry_jobs(connection: psycopg.Connection, job_ids: Sequence[int]) -> list[ActionResult]:
    """Run failed or cancelled jobs again, each as a new job that names the old one; make pending ones due now."""
    found = _find(connection, job_ids)
    due = _make_due(connection, job_ids)
    return [_retry(connection, job_id, found.get(job_id), due) for job_id in dict.fromkeys(job_ids)]


def run_jobs_now(connection: psycopg.Connection, job_ids: Sequence[int]) -> list[ActionResult]:
    """Make pending jobs due now."""
    found = _find(connection, job_ids)
    due = _make_due(connection, job_ids)
    return [_run_now(job_id, found.get(job_id), due) for job_id in dict.fromkeys(job_ids)]


def reschedule_jobs(connection: psycopg.Connection, job_ids: Sequence[int], run_at: datetime) -> list[ActionResult]:
    """Let pending jobs be due at another time; a time in the past is now."""
    found = _find(connection, job_ids)
    params = {"ids": list(job_ids), "run_at": run_at}
    moved = {row[0] for row in connection.execute(statement("reschedule_jobs"), params)}
    return [_rescheduled(job_id, found.get(job_id), moved) for job_id in dict.fromkeys(job_ids)]


def cancel_jobs(connection: psycopg.Connection, job_ids: Sequence[int]) -> list[ActionResult]:
    """Cancel waiting jobs at once; ask the servants of running ones to stop them, which they do within a heartbeat.

    What is left of the groups they made is cancelled by the schedulers, also where the job itself is finished.
    """
    cancelled: set[int] = set()
    asked: set[int] = set()
    found: dict[int, _FoundJob] = {}
    rest = sorted({*job_ids})
    for _ in range(_ROUNDS):
        cancelled |= _ids(connection, "cancel_waiting_jobs", rest)
        asked |= _ids(connection, "request_cancel", rest)
        found = _find(connection, [job_id for job_id in rest if job_id not in cancelled | asked])
        rest = [job.id for job in found.values() if JobState(job.state) not in TERMINAL]
        if not rest:
            break
    release_order_of(connection, sorted(cancelled))
    grouped = _ids(connection, "cancel_groups_of_jobs", sorted({*job_ids}))
    deeds = dict.fromkeys(grouped, Deed.GROUP_CANCELLED)
    deeds |= dict.fromkeys(cancelled, Deed.CANCELLED) | dict.fromkeys(asked, Deed.CANCEL_REQUESTED)
    return [_cancelled(job_id, deeds.get(job_id), found.get(job_id)) for job_id in dict.fromkeys(job_ids)]


def _retry(connection: psycopg.Connection, job_id: int, job: _FoundJob | None, due: set[int]) -> ActionResult:
    if job is None or JobState(job.state) not in TERMINAL or job.state == JobState.COMPLETED:
        return _run_now(job_id, job, due)
    if job.type in NOT_RETRIED:
        return _nothing(job_id, f"Job {job_id} deletes for good: {job.type} is ordered anew, and not run again.")
    new = retry_of(job, payload=job.payload)
    try:
        made = enqueue_many(connection, [new])[0]
    except RetinueError as error:
        return _nothing(job_id, error.message)
    if not made.created:
        return ActionResult(
            job_id, Deed.NOTHING, made.id, f"Job {made.id}, with the same unique key {new.unique_key!r}, is unfinished."
        )
    return ActionResult(job_id, Deed.RETRIED, made.id)


def _run_now(job_id: int, job: _FoundJob | None, due: set[int]) -> ActionResult:
    if job_id in due:
        return ActionResult(job_id, Deed.MADE_DUE)
    if job is None:
        return _nothing(job_id, f"There is no job {job_id}.")
    if job.state == JobState.PENDING:
        return _nothing(job_id, f"Job {job_id} is due already; `retinue jobs why {job_id}` says what it waits for.")
    if JobState(job.state) in TERMINAL:
        return _nothing(job_id, f"Job {job_id} is {job.state}; enqueue a new one to run it again.")
    return _nothing(job_id, f"Job {job_id} is {job.state} already.")


def _rescheduled(job_id: int, job: _FoundJob | None, moved: set[int]) -> ActionResult:
    if job_id in moved:
        return ActionResult(job_id, Deed.RESCHEDULED)
    if job is None:
        return _nothing(job_id, f"There is no job {job_id}.")
    return _nothing(job_id, f"Job {job_id} is {job.state}: only a pending job can be given another time.")


def _cancelled(job_id: int, deed: Deed | None, job: _FoundJob | None) -> ActionResult:
    if deed is not None:
        return ActionResult(job_id, deed)
    if job is None:
        return _nothing(job_id, f"There is no job {job_id}.")
    if JobState(job.state) in TERMINAL:
        return _nothing(job_id, f"Job {job_id} is {job.state} already.")
    return _nothing(job_id, f"Job {job_id} changed its state all the while; try again.")


def _nothing(job_id: int, problem: str) -> ActionResult:
    return ActionResult(job_id, Deed.NOTHING, problem=problem)


def _find(connection: psycopg.Connection, job_ids: Sequence[int]) -> dict[int, _FoundJob]:
    return {job.id: job for job in rows_as(connection, _FoundJob, "find_jobs", {"ids": list(job_ids)})}


def _make_due(connection: psycopg.Connection, job_ids: Sequence[int]) -> set[int]:
    return _ids(connection, "make_jobs_due", job_ids)


def _ids(connection: psycopg.Connection, name: str, job_ids: Sequence[int]) -> set[int]:
    return {row[0] for row in connection.execute(statement(name), {"ids": list(job_ids)})}
