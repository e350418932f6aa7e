"""What schedules did, and what they are about to do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from infra.postgres.arrays import numbers
from infra.postgres.rows import rows_as
from infra.postgres.schedule_lines import ScheduleLine
from infra.postgres.schedules import database_now
from infra.triggers import Trigger
from retinue.errors import InvalidSchedule
from retinue.schedule import Cron, Every, ScheduleState

#: What is about to come, in minutes.
AHEAD_MINUTES = 60

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(minutes=AHEAD_MINUTES)


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One job of a schedule. It was due at `run_at`, `fire_at` and the jitter."""

    schedule_id: int
    job_id: int
    state: str
    fire_at: datetime
    run_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    run_seconds: float | None

    @property
    def late_seconds(self) -> float | None:
        """How long after its time it was claimed the last time; None before that."""
        return None if self.claimed_at is None else max(0.0, (self.claimed_at - self.run_at).total_seconds())


@dataclass(frozen=True, slots=True)
class ComingType:
    """How many jobs the schedules of one type are about to make in each of the coming minutes."""

    type: str
    minutes: Sequence[int]

    @property
    def total(self) -> int:
        return sum(self.minutes)


@dataclass(frozen=True, slots=True)
class ComingHour:
    """What is due from `at` on, by type. `most` is the largest figure of any minute."""

    at: datetime
    types: Sequence[ComingType]

    @property
    def most(self) -> int:
        return max((max(coming.minutes) for coming in self.types), default=0)


def last_runs(connection: psycopg.Connection, schedule_ids: Sequence[int]) -> dict[int, ScheduleRun]:
    """The newest job of each of these schedules that has made any, by schedule."""
    params = {"schedule_ids": numbers(schedule_ids), "limit": 1}
    return {run.schedule_id: run for run in rows_as(connection, ScheduleRun, "list_last_runs", params)}


def runs_of(connection: psycopg.Connection, schedule_id: int, *, limit: int = 25) -> list[ScheduleRun]:
    """The newest jobs of one schedule, the newest first."""
    return rows_as(connection, ScheduleRun, "list_last_runs", {"schedule_ids": numbers([schedule_id]), "limit": limit})


def coming_fires(line: ScheduleLine, now: datetime, *, count: int = 10) -> list[datetime]:
    """The next fire times of a schedule; none of one that is paused, or whose rule cannot be used."""
    if line.state != ScheduleState.ACTIVE or line.next_fire_at is None:
        return []
    try:
        trigger = _trigger(line.cron, line.every_seconds, line.timezone, line.starts_at)
    except InvalidSchedule:
        return []
    fires = [line.next_fire_at]
    while len(fires) < count:
        following = trigger.fires(fires[-1], max(fires[-1], now), catch_up=1).next
        if following is None:
            break
        fires.append(following)
    return fires


def coming_hour(connection: psycopg.Connection, *, type: str | None = None) -> ComingHour:  # noqa: A002 - the word of the design
    """What the schedules are about to make, minute by minute; overlaps that will be skipped are counted as well.

    Reads one row for each rule and moment, however many schedules share it; an interval's is exact to ten seconds.
    """
    now = database_now(connection)
    params = {"ahead_seconds": _HOUR.total_seconds(), "type": type}
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for group in rows_as(connection, _Group, "group_coming_fires", params):
        for fire in group.fires(now, now + _HOUR):
            found[group.type][int((fire - now) / _MINUTE)] += group.schedules
    types = [ComingType(name, [found[name][n] for n in range(AHEAD_MINUTES)]) for name in sorted(found)]
    return ComingHour(now, types)


@dataclass(frozen=True, slots=True)
class _Group:
    """Schedules of one type that fire together."""

    type: str
    cron: str | None
    timezone: str
    every_seconds: float | None
    first_at: datetime | None
    schedules: int

    def fires(self, now: datetime, end: datetime) -> Iterator[datetime]:
        if self.first_at is None:
            yield from self._cron_fires(now, end)
            return
        fire, step = max(self.first_at, now), timedelta(seconds=self.every_seconds or 0)
        while fire < end:
            yield fire
            fire += step

    def _cron_fires(self, now: datetime, end: datetime) -> Iterator[datetime]:
        try:
            trigger = _trigger(self.cron, None, self.timezone, now)
        except InvalidSchedule:
            # It fires never: plan pauses it when its time comes.
            return
        fire = trigger.first()
        while fire is not None and fire < end:
            yield fire
            fire = trigger.fires(fire, fire, catch_up=1).next


def _trigger(cron: str | None, every_seconds: float | None, timezone: str, starts_at: datetime) -> Trigger:
    rule = Cron(cron) if cron is not None else Every(timedelta(seconds=every_seconds or 0))
    return Trigger(rule, timezone=timezone, starts_at=starts_at)
