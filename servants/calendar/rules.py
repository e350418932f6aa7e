"""A recurrence rule (RFC 5545 §3.3.10) as a typed value, with what it leaves to DTSTART filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import IntEnum
from typing import Any


class UnreadableRule(ValueError):
    """The rule says nothing that can be followed; the message is for people."""


class Every(IntEnum):
    """FREQ, from long to short."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5
    SECONDLY = 6


WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

#: What each list of numbers may hold; those marked may also count from the end.
_RANGES = {
    "BYMONTH": (1, 12, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYHOUR": (0, 23, False),
    "BYMINUTE": (0, 59, False),
    # 60 is a leap second, which no clock of ours shows.
    "BYSECOND": (0, 60, False),
    "BYSETPOS": (1, 366, True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One RRULE. An empty set leaves its part open.

    `weekdays` holds pairs: which one within the month or year, counted from the end where it is negative, 0 for every
    one; and the weekday, 0 for Monday. `until` is as written: a date, a moment in UTC, or a time on the wall.
    """

    every: Every
    interval: int = 1
    count: int | None = None
    until: date | datetime | None = None
    week_start: int = 0
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    weeks: frozenset[int] = frozenset()
    weekdays: frozenset[tuple[int, int]] = frozenset()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: frozenset[int] = frozenset()

    def completed(self, start: datetime) -> Rule:
        """The rule with what it does not say taken from the series' start."""
        return replace(self, **self._days_of(start), **self._times_of(start))

    def _days_of(self, start: datetime) -> dict[str, Any]:
        if self.year_days or self.month_days or self.weekdays:
            return {}
        if self.every is Every.WEEKLY or self.weeks:
            return {"weekdays": frozenset({(0, start.weekday())})}
        if self.every is Every.MONTHLY:
            return {"month_days": frozenset({start.day})}
        if self.every is Every.YEARLY:
            return {"months": self.months or frozenset({start.month}), "month_days": frozenset({start.day})}
        return {}

    def _times_of(self, start: datetime) -> dict[str, Any]:
        return {
            "hours": self.hours or ((start.hour,) if self.every < Every.HOURLY else ()),
            "minutes": self.minutes or ((start.minute,) if self.every < Every.MINUTELY else ()),
            "seconds": self.seconds or ((start.second,) if self.every < Every.SECONDLY else ()),
        }


def read_rule(parts: Mapping[str, Any]) -> Rule:
    """From icalendar's parts of a rule, by name.

    Raises:
        UnreadableRule: a part is missing, out of its range, or of another calendar than the Gregorian (RFC 7529).
    """
    if str(_one(parts, "RSCALE") or "GREGORIAN").upper() != "GREGORIAN" or str(_one(parts, "SKIP") or "OMIT") != "OMIT":
        raise UnreadableRule("a rule counts by another calendar or moves days that do not exist")
    every = _frequency(parts)
    return Rule(
        every=every,
        interval=_interval(parts),
        count=_count(parts),
        until=_one(parts, "UNTIL"),
        week_start=_weekday(_one(parts, "WKST") or "MO"),
        months=frozenset(_numbers(parts, "BYMONTH")),
        # RFC 5545 gives these no meaning at some frequencies; as every library does, they are passed over there.
        month_days=frozenset(_numbers(parts, "BYMONTHDAY") if every is not Every.WEEKLY else ()),
        year_days=frozenset(_numbers(parts, "BYYEARDAY")),
        weeks=frozenset(_numbers(parts, "BYWEEKNO") if every is Every.YEARLY else ()),
        weekdays=frozenset(_weekdays(parts, every)),
        hours=_sorted(_numbers(parts, "BYHOUR")),
        minutes=_sorted(_numbers(parts, "BYMINUTE")),
        seconds=_sorted(min(second, 59) for second in _numbers(parts, "BYSECOND")),
        positions=frozenset(_numbers(parts, "BYSETPOS")),
    )


def _one(parts: Mapping[str, Any], name: str) -> Any:
    values = parts.get(name) or [None]
    return values[0] if isinstance(values, list) else values


def _frequency(parts: Mapping[str, Any]) -> Every:
    name = str(_one(parts, "FREQ") or "").upper()
    if name not in Every.__members__:
        raise UnreadableRule("a rule has no FREQ")
    return Every[name]


def _interval(parts: Mapping[str, Any]) -> int:
    interval = _one(parts, "INTERVAL")
    if interval is not None and int(interval) < 1:
        raise UnreadableRule(f"a rule has the INTERVAL {interval}")
    return int(interval or 1)


def _count(parts: Mapping[str, Any]) -> int | None:
    """Some programs write -1 for a series without end."""
    count = _one(parts, "COUNT")
    if count is not None and int(count) == 0:
        raise UnreadableRule("a rule has the COUNT 0")
    return int(count) if count is not None and int(count) > 0 else None


def _numbers(parts: Mapping[str, Any], name: str) -> list[int]:
    lowest, highest, counts_back = _RANGES[name]
    given = [_number(value, name) for value in parts.get(name) or ()]
    for value in given:
        if not lowest <= (abs(value) if counts_back else value) <= highest:
            raise UnreadableRule(f"a rule has the {name} {value}")
    return given


def _number(value: Any, name: str) -> int:
    if getattr(value, "leap", False):
        raise UnreadableRule(f"a rule has the {name} {value}, of another calendar")
    return int(value)


def _weekdays(parts: Mapping[str, Any], every: Every) -> Iterable[tuple[int, int]]:
    for value in parts.get("BYDAY") or ():
        nth = value.relative if every in (Every.YEARLY, Every.MONTHLY) else 0
        yield nth or 0, _weekday(value.weekday)


def _weekday(value: Any) -> int:
    name = str(value).upper()[-2:]
    if name not in WEEKDAYS:
        raise UnreadableRule(f"a rule has the weekday {value}")
    return WEEKDAYS.index(name)


def _sorted(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(values)))
