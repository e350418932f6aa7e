"""The same to all jobs that a filter takes: a preview, then a job that does it."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from infra.postgres.bulk import Preview, bounded, preview, start
from manager.acting import acting
from manager.api.describing import answer, answers
from manager.api.shapes import ID, Shape, Whole
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, requires
from retinue.bulk import BulkOrder
from retinue.errors import NotAllowed

#: How long a preview counts, in seconds.
PREVIEW_SECONDS = 0.05


class BulkAsked(BulkOrder, Shape):
    """What to do to which jobs: `run_at` is the new time for `reschedule`, `rate` the most jobs a second."""


class BulkPreview(Whole[Preview]):
    """What a bulk operation would do; `stopped_by` null says that all was counted."""


class BulkStarted(Shape):
    """The job that carries it out: its progress is the operation's."""

    job_id: ID
    jobs: int
    is_counted: bool


def add_bulk(jobs: APIBlueprint, deps: Deps) -> None:
    """Preview and start."""

    @jobs.post("/bulk/preview", responses=answers(BulkPreview, 413))
    @requires(Role.OPERATOR)
    def preview_bulk(body: BulkAsked) -> Response:
        """Count what a bulk operation would touch; changes nothing."""
        with deps.database.transaction() as connection:
            return answer(BulkPreview(preview(connection, body, search_seconds=PREVIEW_SECONDS)))

    @jobs.post("/bulk", responses=answers(BulkStarted, 409, 413, status=202))
    @requires(Role.OPERATOR)
    def start_bulk(body: BulkAsked) -> Response:
        """Cancel, retry or reschedule all jobs that a filter takes, by a job of its own."""
        with acting(deps) as connection:
            order = bounded(connection, body)
            found = preview(connection, order, search_seconds=PREVIEW_SECONDS)
            if not found.jobs and found.stopped_by is None:
                raise NotAllowed("No job fits: there is nothing to do.")
            job_id = start(connection, order, expected=found.expected)
            told = body.model_dump(mode="json", exclude_none=True)
            note(connection, "job.bulk", "job", job_id, account_id=body.filter.account_id, order=told)
        return answer(BulkStarted(job_id=job_id, jobs=found.jobs, is_counted=found.stopped_by is None), 202)
