"""Fire times of schedules, computed by APScheduler's triggers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.interval import IntervalTrigger

from infra.cron import CronClock
from retinue.errors import InvalidSchedule
from retinue.schedule import MAX_INTERVAL, MIN_INTERVAL, Cron, Every, Rule

#: Missed fires looked at one by one; after a longer outage they are looked for from the present backwards.
MAX_MISSED = 1000

#: How far back the first look goes.
_LOOK_BACK = timedelta(minutes=10)

#: Finds the first fire later than a moment.
NextAfter = Callable[[datetime], datetime | None]


@dataclass(frozen=True, slots=True)
class Fires:
    """What is due now: the fire times to make jobs for, oldest first, and the next one after that, if there is one.

    All in UTC.
    """

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
        self._next_after = _cron(rule, zone) if isinstance(rule, Cron) else _interval(rule, starts_at)

    def first(self) -> datetime | None:
        """The first fire time at or after the start."""
        return self._next_after(self._starts_at - timedelta(microseconds=1))

    def fires(self, next_fire_at: datetime, now: datetime, *, catch_up: int) -> Fires:
        """What is due from `next_fire_at` up to `now`: after an outage the `catch_up` newest of what was missed."""
        earliest, now = next_fire_at.astimezone(UTC), now.astimezone(UTC)
        due: deque[datetime] = deque(maxlen=catch_up)
        fire: datetime | None = earliest
        for _ in range(MAX_MISSED):
            if fire is None or fire > now:
                return Fires(tuple(due), fire)
            due.append(fire)
            fire = self._next_after(fire)
        return Fires(self._newest(earliest, now, catch_up), self._next_after(now))

    def _newest(self, earliest: datetime, now: datetime, count: int) -> tuple[datetime, ...]:
        """The last `count` fires up to `now`: looks back twice as far until it sees enough of them."""
        look_back = _LOOK_BACK
        while True:
            start = max(earliest, now - look_back)
            due = deque(self._between(start, now), maxlen=count)
            if len(due) == count or start == earliest:
                return tuple(due)
            look_back *= 2

    def _between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        fire = self._next_after(start)
        while fire is not None and fire <= end:
            yield fire
            fire = self._next_after(fire)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(f"Unknown time zone {name!r}: use a name such as Europe/Berlin or UTC") from error


@lru_cache(maxsize=4096)
def _cron(rule: Cron, zone: ZoneInfo) -> NextAfter:
    try:
        return CronClock(rule.expression, zone).next_after
    except ValueError as error:
        raise InvalidSchedule(
            f"Cron expression {rule.expression!r}: {error}. Give five fields: minute hour day month weekday"
        ) from error


def _interval(rule: Every, starts_at: datetime) -> NextAfter:
    seconds = rule.interval.total_seconds()
    if not MIN_INTERVAL <= rule.interval <= MAX_INTERVAL:
        raise InvalidSchedule(f"An interval is 1 second to {MAX_INTERVAL.days} days, got {seconds:g} seconds")
    trigger = IntervalTrigger(seconds=seconds, start_date=starts_at, timezone=UTC)

    def next_after(moment: datetime) -> datetime | None:
        found = trigger.get_next_fire_time(None, moment + timedelta(microseconds=1))
        return found if isinstance(found, datetime) else None

    return next_after
