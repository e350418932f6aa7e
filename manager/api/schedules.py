"""`/api/v1/schedules`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Literal

import psycopg
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field, model_validator

from infra.postgres import schedules as stored
from infra.postgres.accounts import find_account
from infra.postgres.schedule_edits import ScheduleEdit, edit_schedule
from infra.postgres.schedule_lines import ScheduleFilter, ScheduleLine, find_schedule, list_schedules
from infra.postgres.schedule_runs import ComingHour, ScheduleRun, coming_fires, coming_hour, runs_of
from infra.rule_words import rule_words
from manager.acting import acting
from manager.api.describing import answer, answers, resource
from manager.api.shapes import ID, ONE_ID, Asked, Page, Paged, Shape, Whole, Word, read_place
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, requires
from retinue.errors import InvalidSchedule
from retinue.schedule import Cron, Every, Rule, ScheduleState

#: The longest interval and the longest jitter, in seconds: 366 days, and one.
_LONGEST, _LONGEST_JITTER = 31_622_400, 86_400


class SchedulesAsked(Paged):
    """Which schedules."""

    type: Word | None = None
    account_id: ID | None = None
    state: ScheduleState | None = None
    late_seconds: float | None = Field(default=None, ge=0, le=_LONGEST, description="Only those late by more.")
    words: Word | None = Field(default=None, description="Only those with this in their name or their account's.")


class Schedules(Page[ScheduleLine]):
    """Schedules by ID."""


class SchedulePath(Shape):
    """One schedule."""

    schedule_id: ID


class Schedule(Shape):
    """One schedule: its rule in words, its next fire times, its newest jobs."""

    schedule: ScheduleLine
    rule: str
    next: list[datetime]
    runs: list[ScheduleRun]


class Coming(Whole[ComingHour]):
    """How many jobs the schedules are about to make in each of the coming 60 minutes, by type."""


class Made(Shape):
    """The job that was made; not `created` where one of the schedule is unfinished and it skips overlapping ones."""

    job_id: ID
    created: bool


class ComingAsked(Asked):
    """Of which type."""

    type: Word | None = None


class ScheduleChange(Asked):
    """What to change; what is left out stays. A payload may hold `***` for the values that it hides."""

    name: Word | None = None
    cron: Word | None = None
    every_seconds: float | None = Field(default=None, ge=1, le=_LONGEST)
    timezone: Word | None = None
    payload: dict[str, Any] | None = None
    jitter_seconds: float | None = Field(default=None, ge=0, le=_LONGEST_JITTER)
    catch_up: int | None = Field(default=None, ge=1, le=100)
    overlap: Literal["skip", "allow"] | None = None
    priority: int | None = Field(default=None, ge=0, le=9)

    @model_validator(mode="after")
    def _fits_together(self) -> ScheduleChange:
        if self.cron is not None and self.every_seconds is not None:
            raise ValueError("give cron or every_seconds, not both")
        return self

    def edit(self) -> ScheduleEdit:
        """The change as it is stored."""
        return ScheduleEdit(
            name=self.name,
            rule=self._rule(),
            timezone=self.timezone,
            payload=self.payload,
            jitter=None if self.jitter_seconds is None else timedelta(seconds=self.jitter_seconds),
            catch_up=self.catch_up,
            overlap=self.overlap,
            priority=self.priority,
        )

    def added(self, job_type: str, account_id: int | None) -> stored.NewSchedule:
        """A new schedule of these, and of what is usual for the others."""
        given = {name: value for name, value in asdict(self.edit()).items() if value is not None}
        rule = self._rule()
        if rule is None:
            raise InvalidSchedule("Give cron or every_seconds.")
        return stored.NewSchedule(**given | {"type": job_type, "account_id": account_id, "rule": rule})

    def _rule(self) -> Rule | None:
        if self.cron is not None:
            return Cron(self.cron)
        return None if self.every_seconds is None else Every(timedelta(seconds=self.every_seconds))


class ScheduleNew(ScheduleChange):
    """A schedule to add: it needs a name, and cron or every_seconds."""

    type: Word
    account_id: ID | None = None
    name: Word


def schedules_api(deps: Deps) -> APIBlueprint:
    """Looking at schedules and changing them."""
    schedules = resource("schedules", "Schedules: list, show, change, pause, resume, run now, the coming hour.")
    _add_reads(schedules, deps)
    _add_edits(schedules, deps)
    _add_actions(schedules, deps)
    return schedules


def _add_reads(schedules: APIBlueprint, deps: Deps) -> None:
    @schedules.get("", responses=answers(Schedules))
    @requires(Role.VIEWER)
    def list_(query: SchedulesAsked) -> Response:
        """Schedules by ID."""
        asked = query.model_dump(exclude={"limit", "after"})
        (after,) = read_place(query.after, ONE_ID) or (0,)
        with deps.database.transaction() as connection:
            found = list_schedules(connection, ScheduleFilter(**asked), after=after, limit=query.limit + 1)
        return answer(Schedules.of(found, query.limit, lambda line: (line.id,)))

    @schedules.get("/coming", responses=answers(Coming))
    @requires(Role.VIEWER)
    def coming(query: ComingAsked) -> Response:
        """What the schedules are about to make in the coming hour, minute by minute."""
        with deps.database.transaction() as connection:
            return answer(Coming(coming_hour(connection, type=query.type)))

    @schedules.get("/<int:schedule_id>", responses=answers(Schedule, 404))
    @requires(Role.VIEWER)
    def show(path: SchedulePath) -> Response:
        """One schedule, its next fires and its newest jobs."""
        with deps.database.transaction() as connection:
            return answer(_told(connection, path.schedule_id))


def _add_edits(schedules: APIBlueprint, deps: Deps) -> None:
    @schedules.post("", responses=answers(Schedule, 404, 409, 413, status=201))
    @requires(Role.OPERATOR)
    def add(body: ScheduleNew) -> Response:
        """Add a schedule."""
        with acting(deps) as connection:
            if body.account_id is not None:
                find_account(connection, str(body.account_id))
            schedule_id = stored.add_schedule(connection, body.added(body.type, body.account_id))
            _note(connection, "schedule.add", schedule_id, type=body.type)
            return answer(_told(connection, schedule_id), 201)

    @schedules.patch("/<int:schedule_id>", responses=answers(Schedule, 404, 409, 413))
    @requires(Role.OPERATOR)
    def change(path: SchedulePath, body: ScheduleChange) -> Response:
        """Change a schedule; jobs it has made stay as they are."""
        with acting(deps) as connection:
            changed = edit_schedule(connection, path.schedule_id, body.edit())
            _note(connection, "schedule.edit", path.schedule_id, changed=changed)
            return answer(_told(connection, path.schedule_id))


def _add_actions(schedules: APIBlueprint, deps: Deps) -> None:
    @schedules.post("/<int:schedule_id>/pause", responses=answers(Schedule, 404, 409))
    @requires(Role.OPERATOR)
    def pause(path: SchedulePath) -> Response:
        """Let it make no more jobs; those it has made go on."""
        with acting(deps) as connection:
            stored.pause_schedule(connection, path.schedule_id)
            _note(connection, "schedule.pause", path.schedule_id)
            return answer(_told(connection, path.schedule_id))

    @schedules.post("/<int:schedule_id>/resume", responses=answers(Schedule, 404, 409))
    @requires(Role.OPERATOR)
    def resume(path: SchedulePath) -> Response:
        """Let it make jobs again; what it missed is not made up for."""
        with acting(deps) as connection:
            stored.resume_schedule(connection, path.schedule_id)
            _note(connection, "schedule.resume", path.schedule_id)
            return answer(_told(connection, path.schedule_id))

    @schedules.post("/<int:schedule_id>/run", responses=answers(Made, 404, 409, status=202))
    @requires(Role.OPERATOR)
    def run(path: SchedulePath) -> Response:
        """Make a job of it now; its regular fires stay as they are."""
        with acting(deps) as connection:
            made = stored.run_schedule(connection, path.schedule_id)
            _note(connection, "schedule.run", path.schedule_id, job=made.id, created=made.created)
        return answer(Made(job_id=made.id, created=made.created), 202)


def _told(connection: psycopg.Connection, schedule_id: int) -> Schedule:
    line = find_schedule(connection, schedule_id)
    now = stored.database_now(connection)
    rule = rule_words(cron=line.cron, every_seconds=line.every_seconds, timezone=line.timezone)
    return Schedule(schedule=line, rule=rule, next=coming_fires(line, now), runs=runs_of(connection, schedule_id))


def _note(connection: psycopg.Connection, action: str, schedule_id: int, **detail: Any) -> None:
    line = find_schedule(connection, schedule_id)
    note(connection, action, "schedule", schedule_id, account_id=line.account_id, name=line.name, **detail)
