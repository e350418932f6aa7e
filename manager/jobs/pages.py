"""One job: where it stands and why, what happened to it, what it was given and what came of it."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Blueprint, render_template, request

from infra.postgres.audit import actions_on
from infra.postgres.evidence import show_evidence
from infra.postgres.job_details import JobDetails, show_job
from infra.postgres.job_kin import groups_made_by, retries_of
from infra.postgres.why import why
from infra.queues.names import queue_name
from manager.deps import Deps
from manager.jobs.progress import bulk_progress
from manager.jobs.timeline import attempts_of, last_failure, story_of
from manager.roles import Role, requires
from retinue.states import TERMINAL, JobState

#: Actions of operators shown with a job.
SHOWN_ACTIONS = 20


def add_pages(blueprint: Blueprint, deps: Deps) -> None:
    """For everybody who may look."""

    @deps.live.part("job")
    def part(given: dict[str, str]) -> str:
        with deps.database.transaction() as connection:
            return render_template("jobs/_state.html", **_told(deps, connection, int(given["job"])))

    @blueprint.get("/<int:job_id>")
    @requires(Role.VIEWER)
    def page(job_id: int) -> str:
        with deps.database.transaction() as connection:
            told = _told(deps, connection, job_id)
            told["did"] = actions_on(connection, "job", job_id, limit=SHOWN_ACTIONS)
        return render_template("jobs/page.html", **told)

    @blueprint.get("/<int:job_id>/attempts/<int:attempt>")
    @requires(Role.VIEWER)
    def evidence(job_id: int, attempt: int) -> str:
        with deps.database.transaction() as connection:
            found = show_evidence(connection, job_id, attempt)
        template = "jobs/_evidence.html" if request.headers.get("HX-Request") else "jobs/evidence.html"
        return render_template(template, evidence=found)


def _told(deps: Deps, connection: psycopg.Connection, job_id: int) -> dict[str, Any]:
    job = show_job(connection, job_id)
    failure = last_failure(job)
    return {
        "job": job,
        "why": why(connection, job_id, alive_seconds=deps.settings.lease_seconds),
        "story": story_of(job),
        "attempts": attempts_of(job),
        "failure": None if failure is None else show_evidence(connection, job_id, failure),
        "bulk": bulk_progress(job),
        "made": groups_made_by(connection, job_id),
        "retries": retries_of(connection, job) if job.state in (JobState.FAILED, JobState.CANCELLED) else [],
        "queue": _queue(deps, job),
        "over": job.state in TERMINAL,
    }


def _queue(deps: Deps, job: JobDetails) -> str:
    return queue_name(deps.settings.queue_prefix, deps.settings.environment, job.type)
