"""What a job is related to: the groups it made, and the jobs that ran it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from infra.postgres.groups import GroupDetails, show_group
from infra.postgres.job_details import JobDetails
from infra.postgres.statements import statement
from retinue.states import JobState

#: Groups, and retries, named with one job.
MAX_NAMED = 20


@dataclass(frozen=True, slots=True)
class Retried:
    """A job that ran another one again."""

    id: int
    state: JobState
    finished_at: datetime | None


def retries_of(connection: psycopg.Connection, job: JobDetails) -> list[Retried]:
    """The jobs that ran this one again, the newest first."""
    params = {"id": job.id, "type": job.type, "unique_key": job.unique_key, "limit": MAX_NAMED}
    rows = connection.execute(statement("list_retries"), params)
    return [Retried(identity, JobState(state), at) for identity, state, at in rows]


def groups_made_by(connection: psycopg.Connection, job_id: int) -> list[GroupDetails]:
    """The groups that this job made, the oldest first."""
    rows = connection.execute(statement("list_groups_of_job"), {"id": job_id, "limit": MAX_NAMED}).fetchall()
    return [show_group(connection, row[0]) for row in rows]
