"""`/api/v1/figures`: what finished over time, and how long it took. Nothing is counted: rollups are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.postgres.figures import Durations, Figure
from infra.postgres.figures import figures as read_figures
from manager.api.describing import answer, answers, resource
from manager.api.shapes import Asked, Shape, Word
from manager.charts import chosen_span
from manager.deps import Deps
from manager.roles import Role, requires
from retinue.states import JobState


class FiguresAsked(Asked):
    """Of which span that ends now, and of which type."""

    span: Literal["hour", "day", "week"] = "day"
    type: Word | None = None


class Took(Shape):
    """How long jobs took, in seconds; null where none was measured. Percentiles are estimated from a histogram."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, durations: Durations) -> Took:
        """What was measured."""
        return cls(mean=durations.mean, p50=durations.p50, p95=durations.p95, p99=durations.p99)


class FigureTold(Shape):
    """What finished in one step that begins at `at`."""

    at: datetime
    completed: int
    failed: int
    cancelled: int
    run: Took
    wait: Took = Field(description="From when a job was due until its last claim.")


class FiguresTold(Shape):
    """Steps of `step_seconds` in which something finished, the oldest first."""

    since: datetime
    until: datetime
    step_seconds: float
    items: Sequence[FigureTold]


def figures_api(deps: Deps) -> APIBlueprint:
    """Looking at the past."""
    figures = resource("figures", "What finished over time, and how long it ran and waited.")

    @figures.get("", responses=answers(FiguresTold))
    @requires(Role.VIEWER)
    def list_(query: FiguresAsked) -> Response:
        """What finished in each step of the last hour, day or week."""
        return answer(figures_told(deps, query))

    return figures


def figures_told(deps: Deps, asked: FiguresAsked, *, account_id: int | None = None) -> FiguresTold:
    """The figures of the span asked for, of one account or of all."""
    span = chosen_span(asked.span).until(deps.clock.now())
    found = read_figures(deps.database, span, type=asked.type, account_id=account_id)
    return FiguresTold(
        since=span.since,
        until=span.until,
        step_seconds=span.step.total_seconds(),
        items=[_told(figure) for figure in found],
    )


def _told(figure: Figure) -> FigureTold:
    return FigureTold(
        at=figure.at,
        completed=figure.jobs.get(JobState.COMPLETED, 0),
        failed=figure.jobs.get(JobState.FAILED, 0),
        cancelled=figure.jobs.get(JobState.CANCELLED, 0),
        run=Took.of(figure.run),
        wait=Took.of(figure.wait),
    )
