"""`/api/v1/jobs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

import psycopg
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.job_query import parse_query
from infra.postgres.evidence import show_evidence
from infra.postgres.job_actions import ActionResult, Deed, cancel_jobs, reschedule_jobs, retry_jobs, run_jobs_now
from infra.postgres.job_queries import JobDetails, JobLine, show_job
from infra.postgres.job_search import read_place, search_jobs
from infra.postgres.why import Why, why
from manager.acting import acting
from manager.api.bulk import add_bulk
from manager.api.describing import answer, answers, resource
from manager.api.own import own_account, own_job
from manager.api.shapes import ID, Asked, BadPlace, Moment, Page, Paged, Shape, Text, Whole
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, requires
from retinue.errors import NotAllowed

Action = Callable[[psycopg.Connection, Sequence[int]], list[ActionResult]]


class JobsAsked(Paged):
    """Which jobs."""

    q: Text = Field(default="", description="A query, such as `type:salesforce.sync state:failed error:~timeout`.")


class JobPage(Page[JobLine]):
    """Jobs: those in flight, those that wait, those that ended, the newest first.

    With `unfinished_search` the time was up, and there may be more behind `next`; `looked_back_to` says how far it got.
    """

    unfinished_search: bool
    looked_back_to: datetime | None


class JobPath(Shape):
    """One job."""

    job_id: ID


class AttemptPath(JobPath):
    """One attempt of a job."""

    attempt: int = Field(ge=1, le=2**31 - 1)


class Job(Whole[JobDetails]):
    """Everything about one job, secrets masked."""


class WhyJob(Whole[Why]):
    """Why a job is where it is."""


class LoggedLine(Shape):
    """One line that an attempt logged; `exception` is a traceback that was logged with it."""

    at: datetime
    level: str
    logger: str
    event: str
    exception: str | None
    fields: dict[str, Any]


class AttemptEvidence(Shape):
    """What a failed attempt left; `left_out` lines came before the first one of `lines`."""

    job_id: int
    attempt: int
    at: datetime
    servant_id: int | None
    run_seconds: float | None
    traceback: str | None
    lines: list[LoggedLine]
    left_out: int


class Done(Whole[ActionResult]):
    """What was done about one job."""


class JobIds(Asked):
    """Some jobs."""

    ids: list[ID] = Field(min_length=1, max_length=500)


class NewTime(Asked):
    """When a job is to be due; a time in the past is now."""

    run_at: Moment


class JobIdsAndTime(JobIds, NewTime):
    """Some jobs, and when they are to be due."""


class Results(Shape):
    """What was done about each."""

    results: list[ActionResult]


def jobs_api(deps: Deps) -> APIBlueprint:
    """Looking at jobs and acting on them."""
    jobs = resource("jobs", "Jobs: list, show, say why, retry, cancel, run now; many at once.")
    _add_reads(jobs, deps)
    _add_actions(jobs, deps)
    _add_many(jobs, deps)
    add_bulk(jobs, deps)
    return jobs


def _add_reads(jobs: APIBlueprint, deps: Deps) -> None:
    @jobs.get("", responses=answers(JobPage, 404))
    @requires(Role.VIEWER, one_account=True)
    def list_(query: JobsAsked) -> Response:
        """Jobs that a query asks for."""
        asked, after, account_id = parse_query(query.q), read_place(query.after), own_account()
        if query.after is not None and after is None:
            raise BadPlace(str(BadPlace.__doc__))
        with deps.database.transaction() as connection:
            page = search_jobs(connection, asked, after=after, limit=query.limit, account_id=account_id)
        return answer(
            JobPage(
                items=page.jobs,
                next=None if page.following is None else page.following.token,
                unfinished_search=page.unfinished_search,
                looked_back_to=page.looked_back_to,
            )
        )

    @jobs.get("/<int:job_id>", responses=answers(Job, 404))
    @requires(Role.VIEWER, one_account=True)
    def show(path: JobPath) -> Response:
        """Everything about one job; sensitive fields are masked."""
        with deps.database.transaction() as connection:
            own_job(connection, path.job_id)
            return answer(Job(show_job(connection, path.job_id)))

    @jobs.get("/<int:job_id>/why", responses=answers(WhyJob, 404))
    @requires(Role.VIEWER, one_account=True)
    def why_(path: JobPath) -> Response:
        """What a job waits for, who runs it, how it ended."""
        with deps.database.transaction() as connection:
            own_job(connection, path.job_id)
            return answer(WhyJob(why(connection, path.job_id, alive_seconds=deps.settings.lease_seconds)))

    @jobs.get("/<int:job_id>/attempts/<int:attempt>", responses=answers(AttemptEvidence, 404))
    @requires(Role.VIEWER, one_account=True)
    def attempt(path: AttemptPath) -> Response:
        """What a failed attempt left: its traceback and its last log lines."""
        with deps.database.transaction() as connection:
            own_job(connection, path.job_id)
            return answer(AttemptEvidence(**asdict(show_evidence(connection, path.job_id, path.attempt))))


def _add_actions(jobs: APIBlueprint, deps: Deps) -> None:
    @jobs.post("/<int:job_id>/retry", responses=answers(Done, 404, 409))
    @requires(Role.OPERATOR, one_account=True)
    def retry(path: JobPath) -> Response:
        """Run a failed or cancelled job again, as a new job; make a pending one due now."""
        return _act(deps, "job.retry", retry_jobs, path.job_id)

    @jobs.post("/<int:job_id>/cancel", responses=answers(Done, 404, 409))
    @requires(Role.OPERATOR, one_account=True)
    def cancel(path: JobPath) -> Response:
        """Cancel a job that waits; ask a running one to stop."""
        return _act(deps, "job.cancel", cancel_jobs, path.job_id)

    @jobs.post("/<int:job_id>/reschedule", responses=answers(Done, 404, 409, 413))
    @requires(Role.OPERATOR, one_account=True)
    def reschedule(path: JobPath, body: NewTime) -> Response:
        """Let a pending job be due at another time."""
        return _act(deps, "job.reschedule", partial(reschedule_jobs, run_at=body.run_at), path.job_id)

    @jobs.post("/<int:job_id>/run", responses=answers(Done, 404, 409))
    @requires(Role.OPERATOR, one_account=True)
    def run(path: JobPath) -> Response:
        """Make a pending job due now."""
        return _act(deps, "job.run", run_jobs_now, path.job_id)


def _add_many(jobs: APIBlueprint, deps: Deps) -> None:
    @jobs.post("/retry", responses=answers(Results, 413))
    @requires(Role.OPERATOR)
    def retry_many(body: JobIds) -> Response:
        """Run these failed or cancelled jobs again; an answer for each."""
        return _act_on_many(deps, "job.retry", retry_jobs, body.ids)

    @jobs.post("/cancel", responses=answers(Results, 413))
    @requires(Role.OPERATOR)
    def cancel_many(body: JobIds) -> Response:
        """Cancel these jobs; an answer for each."""
        return _act_on_many(deps, "job.cancel", cancel_jobs, body.ids)

    @jobs.post("/reschedule", responses=answers(Results, 413))
    @requires(Role.OPERATOR)
    def reschedule_many(body: JobIdsAndTime) -> Response:
        """Let these pending jobs be due at another time; an answer for each."""
        return _act_on_many(deps, "job.reschedule", partial(reschedule_jobs, run_at=body.run_at), body.ids)

    @jobs.post("/run", responses=answers(Results, 413))
    @requires(Role.OPERATOR)
    def run_many(body: JobIds) -> Response:
        """Make these pending jobs due now; an answer for each."""
        return _act_on_many(deps, "job.run", run_jobs_now, body.ids)


def _act(deps: Deps, name: str, action: Action, job_id: int) -> Response:
    with acting(deps) as connection:
        job = own_job(connection, job_id)
        (result,) = action(connection, [job_id])
        if result.deed is Deed.NOTHING:
            raise NotAllowed(result.problem or f"Nothing was to be done about job {job_id}.")
        _note(connection, name, result, account_id=job.account_id)
    return answer(Done(result))


def _act_on_many(deps: Deps, name: str, action: Action, job_ids: Sequence[int]) -> Response:
    with acting(deps) as connection:
        results = action(connection, job_ids)
        for result in results:
            if result.deed is not Deed.NOTHING:
                _note(connection, name, result)
    return answer(Results(results=results))


def _note(connection: psycopg.Connection, action: str, result: ActionResult, **detail: Any) -> None:
    made = {} if result.new_job_id is None else {"new_job": result.new_job_id}
    note(connection, action, "job", result.job_id, **made, **detail)
