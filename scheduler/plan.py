"""Plan: makes a job for every schedule whose time has come."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.connect import Database
from infra.postgres.statements import statement
from infra.triggers import Fires, Trigger
from retinue.errors import InvalidSchedule
from retinue.schedule import Cron, Every

#: Schedules advanced by one transaction.
BATCH = 1000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule whose next fire has come, its row locked."""

    id: int
    cron: str | None
    every_seconds: float | None
    timezone: str
    jitter_seconds: float
    catch_up: int
    starts_at: datetime
    next_fire_at: datetime
    now: datetime

    def fires(self) -> Fires:
        rule = Cron(self.cron) if self.cron is not None else Every(timedelta(seconds=self.every_seconds or 0))
        trigger = Trigger(rule, timezone=self.timezone, starts_at=self.starts_at)
        return trigger.fires(self.next_fire_at, self.now, catch_up=self.catch_up)


@dataclass
class _Tick:
    """What one transaction writes: the fires, and where each schedule goes on."""

    schedule_ids: list[int] = field(default_factory=list)
    next_fire_ats: list[datetime | None] = field(default_factory=list)
    last_fire_ats: list[datetime | None] = field(default_factory=list)
    problems: list[str | None] = field(default_factory=list)
    fired_ids: list[int] = field(default_factory=list)
    fire_ats: list[datetime] = field(default_factory=list)
    run_ats: list[datetime] = field(default_factory=list)

    def advance(self, schedule: DueSchedule, fires: Fires) -> None:
        self._go_on(schedule, fires.next, fires.due[-1] if fires.due else None, None)
        for fire_at in fires.due:
            self.fired_ids.append(schedule.id)
            self.fire_ats.append(fire_at)
            self.run_ats.append(fire_at + _jitter(schedule.jitter_seconds))

    def pause(self, schedule: DueSchedule, problem: str) -> None:
        """A rule that cannot be used, as after an UPDATE by hand: pause it with its problem, let the others go on."""
        log.error("schedule_paused", schedule=schedule.id, problem=problem)
        self._go_on(schedule, schedule.next_fire_at, None, problem)

    def _go_on(
        self, schedule: DueSchedule, next_at: datetime | None, last_at: datetime | None, problem: str | None
    ) -> None:
        self.schedule_ids.append(schedule.id)
        self.next_fire_ats.append(next_at)
        self.last_fire_ats.append(last_at)
        self.problems.append(problem)


class Plan:
    """The pass. Two schedulers take different rows; a tick's job and the schedule's advance commit together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run_once(self) -> PassResult:
        """Fire what is due.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was fired.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(statement("take_due_schedules"), {"limit": BATCH}).fetchall()
            made = self._fire(connection, [DueSchedule(*row) for row in rows])
        return PassResult(made, again_after=0 if len(rows) == BATCH else None)

    def _fire(self, connection: psycopg.Connection, due: Sequence[DueSchedule]) -> int:
        if not due:
            return 0
        tick = _tick(due)
        made = connection.execute(statement("fire_schedules"), _fired(tick)).rowcount
        connection.execute(statement("advance_schedules"), _advanced(tick))
        if made < len(tick.fired_ids):
            # The job of the tick before is still unfinished, or another scheduler was first.
            log.info("fires_skipped", fires=len(tick.fired_ids) - made)
        return made


def _tick(due: Sequence[DueSchedule]) -> _Tick:
    tick = _Tick()
    for schedule in due:
        try:
            tick.advance(schedule, schedule.fires())
        except InvalidSchedule as error:
            tick.pause(schedule, error.message)
    return tick


def _fired(tick: _Tick) -> dict[str, Any]:
    return {"schedule_ids": tick.fired_ids, "fire_ats": tick.fire_ats, "run_ats": tick.run_ats}


def _advanced(tick: _Tick) -> dict[str, Any]:
    return {
        "schedule_ids": tick.schedule_ids,
        "next_fire_ats": tick.next_fire_ats,
        "last_fire_ats": tick.last_fire_ats,
        "problems": tick.problems,
    }


def _jitter(seconds: float) -> timedelta:
    return timedelta(seconds=random.uniform(0, seconds))  # noqa: S311 - spreads load
