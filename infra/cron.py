"""Cron expressions as crontab(5) means them, in a time zone.

APScheduler's `CronTrigger` finds the matching wall-clock times. It is asked in UTC, because in an hour that the clocks
repeat its own answers stand still. Where it differs from crontab, crontab holds: Sunday is weekday 0 and 7, and a day
of the month and a weekday that are both given match on either.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

#: Clocks are compared at steps of this length; no zone changes them twice within one.
_STEP = timedelta(days=7)

_TICK = timedelta(microseconds=1)


class CronClock:
    """The moments at which the clocks of `zone` show what the expression asks for.

    When the clocks go forward, a given hour that they skip comes at the moment of the change. When they go back, a
    given hour comes the first time only. With an hour of `*` or `*/n` the expression keeps to what the clocks show:
    nothing in the hour skipped, and the hour repeated twice.

    Raises:
        ValueError: the expression cannot be read; says why.
    """

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        fields = expression.split()
        if len(fields) != 5:
            raise ValueError(f"it has {len(fields)} field{'' if len(fields) == 1 else 's'}")
        self._triggers = list(_triggers(fields))
        self._any_hour = fields[1].startswith("*")
        self._zone = zone

    def next_after(self, moment: datetime) -> datetime | None:
        """The first matching moment later than `moment`, in UTC; None where there is none."""
        # In UTC throughout: within one zone Python compares and subtracts what the clocks show, not the moments.
        since, offset = moment.astimezone(UTC), self._offset(moment)
        wall = self._next_wall(since + offset)
        while wall is not None:
            found = wall - offset
            change = self._first_change(since, found)
            if change is None:
                if self._any_hour or not found.astimezone(self._zone).fold:
                    return found
                wall = self._next_wall(wall)
                continue
            since, offset = change, self._offset(change)
            if not self._any_hour and wall < change + offset:
                return change
            wall = self._next_wall(change + offset - _TICK)
        return None

    def _next_wall(self, wall: datetime) -> datetime | None:
        found = (trigger.get_next_fire_time(None, wall + _TICK) for trigger in self._triggers)
        return min((wall for wall in found if wall is not None), default=None)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or timedelta(0)

    def _first_change(self, since: datetime, until: datetime) -> datetime | None:
        """The first moment later than `since`, and no later than `until`, at which the clocks change."""
        before, offset = since, self._offset(since)
        while before < until:
            after = min(before + _STEP, until)
            if self._offset(after) != offset:
                return self._change_between(before, after)
            before = after
        return None

    def _change_between(self, before: datetime, after: datetime) -> datetime:
        offset = self._offset(before)
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) / 2
            before, after = (middle, after) if self._offset(middle) == offset else (before, middle)
        return after.replace(microsecond=0)


def _triggers(fields: list[str]) -> Iterator[CronTrigger]:
    minute, hour, day, month, weekday = fields
    times = {"minute": minute, "hour": hour, "month": month, "timezone": UTC}
    if day.startswith("*") or weekday.startswith("*"):
        yield CronTrigger(**times, day=day, day_of_week=_weekdays(weekday))
    else:
        yield CronTrigger(**times, day=day)
        yield CronTrigger(**times, day_of_week=_weekdays(weekday))


def _weekdays(field: str) -> str:
    """The field's days by name: APScheduler counts them from Monday."""
    if field == "*":
        return field
    days = sorted({day % 7 for part in field.lower().split(",") for day in _span(part)})
    return ",".join(_WEEKDAYS[day] for day in days)


def _span(part: str) -> range:
    days, _, step = part.partition("/")
    first, _, last = ("0", "-", "6") if days == "*" else days.partition("-")
    low = _weekday(first)
    high = _weekday(last) if last else (6 if step else low)
    if high == 0 < low:
        high = 7
    if high < low or (step and not (step.isdecimal() and int(step))):
        raise ValueError(f"{part!r} is no weekday or range of weekdays")
    return range(low, high + 1, int(step or 1))


def _weekday(name: str) -> int:
    if name in _WEEKDAYS:
        return _WEEKDAYS.index(name)
    if name.isdecimal() and int(name) <= 7:
        return int(name)
    raise ValueError(f"{name!r} is no weekday: they are 0 (Sunday) to 6, 7 (Sunday again), or sun to sat")
