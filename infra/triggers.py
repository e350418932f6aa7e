"""Fire times of schedules, computed by APScheduler's triggers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from retinue.errors import InvalidSchedule
from retinue.schedule import Cron, Every, Rule

#: Missed fires looked at one by one; a longer outage jumps to the present.
MAX_MISSED = 1000


@dataclass(frozen=True, slots=True)
class Fires:
    """What is due now: the fire times to make jobs for, oldest first, and the next one after that, if there is one."""

    due: tuple[datetime, ...]
    next: datetime | None


class Trigger:
    """One schedule's rule in its time zone.

    Raises:
        InvalidSchedule: the rule or the zone cannot be used; says which and why.
    """

    def __init__(self, rule: Rule, *, timezone: str, starts_at: datetime) -> None:
        zone = _zone(timezone)
        self._starts_at = starts_at
        if isinstance(rule, Cron):
            self._trigger = _cron(rule, zone)
        else:
            self._trigger = _interval(rule, zone, starts_at)

    def first(self) -> datetime | None:
        """The first fire time at or after the start."""
        return self._next(None, self._starts_at)

    def fires(self, next_fire_at: datetime, now: datetime, *, catch_up: int) -> Fires:
        """What is due from `next_fire_at` up to `now`: after an outage the `catch_up` newest of what was missed."""
        due: deque[datetime] = deque(maxlen=catch_up)
        fire: datetime | None = next_fire_at
        for _ in range(MAX_MISSED):
            if fire is None or fire > now:
                return Fires(tuple(due), fire)
            due.append(fire)
            fire = self._next(fire, fire)
        return Fires(tuple(due), self._next(None, now))

    def _next(self, previous: datetime | None, now: datetime) -> datetime | None:
        # After a previous fire APScheduler looks from the later of the two, so one microsecond on is strictly later.
        found = self._trigger.get_next_fire_time(previous, now if previous is None else now + timedelta(microseconds=1))
        return found if isinstance(found, datetime) else None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(f"Unknown time zone {name!r}: use a name such as Europe/Berlin or UTC") from error


def _cron(rule: Cron, zone: ZoneInfo) -> CronTrigger:
    try:
        return CronTrigger.from_crontab(rule.expression, timezone=zone)
    except ValueError as error:
        raise InvalidSchedule(
            f"Cron expression {rule.expression!r}: {error}. It has five fields: minute hour day month weekday"
        ) from error


def _interval(rule: Every, zone: ZoneInfo, starts_at: datetime) -> IntervalTrigger:
    seconds = rule.interval.total_seconds()
    if seconds < 1:
        raise InvalidSchedule(f"An interval is at least 1 second, got {seconds:g}")
    return IntervalTrigger(seconds=int(seconds), start_date=starts_at, timezone=zone)
