"""The times that a recurrence rule gives (RFC 5545 §3.3.10), on the clock on the wall.

python-dateutil's `rrule` is not used: it counts from the series' start whatever time is asked for, and a rule that
never comes true keeps it searching to the year 9999. Here the search begins near the time asked for, ends at the one
given, and every day and time looked at costs a step of a limited number.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import product

from servants.calendar.rules import Every, Rule

_SECONDS = {Every.HOURLY: 3600, Every.MINUTELY: 60, Every.SECONDLY: 1}

_DAY_SECONDS = 24 * 3600

#: Up to how many seconds of a day are listed when a rule names them.
MAX_NAMED_SECONDS = 4000


class TooManySteps(Exception):
    """The search was given up."""


class Steps:
    """How much may still be looked at."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, number: int = 1) -> None:
        """Count what is about to be looked at.

        Raises:
            TooManySteps: it is too much.
        """
        self._left -= number
        if self._left < 0:
            raise TooManySteps


def occurrences(rule: Rule, start: datetime, *, after: datetime, end: datetime, steps: Steps) -> Iterator[datetime]:
    """The rule's times from `after` to before `end`, rising; all without zone. COUNT and UNTIL are left to the caller.

    A few from before `after` may come first.

    Raises:
        TooManySteps: the rule is too fine, or too rarely true, to be followed that far.
    """
    search = _Search(rule.completed(start), start, steps)
    found = search.by_days(after, end) if rule.every <= Every.DAILY else search.within_days(after, end)
    for moment in found:
        if moment >= end:
            return
        if moment >= start:
            steps.take()
            yield moment


class _Search:
    """One rule, complete, and its series' start."""

    def __init__(self, rule: Rule, start: datetime, steps: Steps) -> None:
        self._rule = rule
        self._start = start
        self._steps = steps
        self._matches = _day_test(rule)

    def by_days(self, after: datetime, end: datetime) -> Iterator[datetime]:
        """For rules whose periods are whole days."""
        number = max(0, self._period_of(max(after, self._start).date()))
        while (days := self._period(number)) and days[0] < end.date() + timedelta(days=1):
            self._steps.take(len(days))
            yield from self._at_times([day for day in days if self._matches(day)])
            number += 1

    def _period_of(self, day: date) -> int:
        """The number of the rule's last period that begins on or before this day; the one with the start is 0."""
        start, every = self._start.date(), self._rule.every
        if every is Every.YEARLY:
            passed = day.year - start.year
        elif every is Every.MONTHLY:
            passed = (day.year - start.year) * 12 + day.month - start.month
        elif every is Every.WEEKLY:
            passed = (day - self._week(start)).days // 7
        else:
            passed = (day - start).days
        return passed // self._rule.interval

    def _period(self, number: int) -> Sequence[date]:
        """The days of one period; none where it is beyond the calendar's end."""
        passed, start = number * self._rule.interval, self._start.date()
        try:
            if self._rule.every is Every.YEARLY:
                return _year(start.year + passed, self._rule)
            if self._rule.every is Every.MONTHLY:
                months = start.month - 1 + passed
                return _month(start.year + months // 12, months % 12 + 1)
            if self._rule.every is Every.WEEKLY:
                first = self._week(start) + timedelta(weeks=passed)
                return [first + timedelta(days=day) for day in range(7)]
            return [start + timedelta(days=passed)]
        except (ValueError, OverflowError):
            return []

    def _week(self, day: date) -> date:
        return day - timedelta(days=(day.weekday() - self._rule.week_start) % 7)

    def _at_times(self, days: Sequence[date]) -> Iterator[datetime]:
        """The rule's times on these days, or those of them at its positions."""
        hours, minutes, seconds = self._rule.hours, self._rule.minutes, self._rule.seconds
        if not self._rule.positions:
            for day, hour, minute, second in product(days, hours, minutes, seconds):
                yield datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001 - on the wall
            return
        # Counted, not listed: a year may have millions of times.
        per_hour, per_day = len(minutes) * len(seconds), len(hours) * len(minutes) * len(seconds)
        for place in self._places(len(days) * per_day):
            day, (hour, rest) = days[place // per_day], divmod(place % per_day, per_hour)
            minute, second = minutes[rest // len(seconds)], seconds[rest % len(seconds)]
            yield datetime(day.year, day.month, day.day, hours[hour], minute, second)  # noqa: DTZ001 - on the wall

    def _places(self, total: int) -> list[int]:
        """BYSETPOS as indexes among `total`."""
        counted = {position - 1 if position > 0 else total + position for position in self._rule.positions}
        return sorted(place for place in counted if 0 <= place < total)

    def within_days(self, after: datetime, end: datetime) -> Iterator[datetime]:
        """For rules of hours, minutes and seconds; units are counted from the first day of the calendar."""
        unit = _SECONDS[self._rule.every]
        per_day, interval = _DAY_SECONDS // unit, self._rule.interval
        start = self._start.toordinal() * per_day + _second_of_day(self._start) // unit
        begin = max(after, self._start)
        day, lowest = begin.toordinal(), _second_of_day(begin) // unit
        while day <= end.toordinal():
            self._steps.take()
            first = lowest + (start - day * per_day - lowest) % interval
            lowest = 0
            if first >= per_day:
                day += first // per_day
                continue
            if self._matches(date.fromordinal(day)):
                midnight = datetime.fromordinal(day)
                for number in self._units(range(first, per_day, interval)):
                    yield from self._in_unit(midnight + timedelta(seconds=number * unit))
            day += 1

    def _units(self, numbers: range) -> Iterator[int]:
        """Those of a day's units whose hour, minute and second the rule names, found the shorter way."""
        named = self._named_units
        candidates = named if named is not None and len(named) < len(numbers) else numbers
        for number in candidates:
            self._steps.take()
            if number in numbers and self._is_named(number):
                yield number

    @cached_property
    def _named_units(self) -> list[int] | None:
        """The units of a day that the rule names, unless they are many."""
        rule = self._rule
        hours, minutes, seconds = rule.hours or range(24), rule.minutes or range(60), rule.seconds or range(60)
        if rule.every is Every.HOURLY:
            return list(hours)
        if rule.every is Every.MINUTELY:
            return [hour * 60 + minute for hour, minute in product(hours, minutes)]
        if len(hours) * len(minutes) * len(seconds) > MAX_NAMED_SECONDS:
            return None
        return [hour * 3600 + minute * 60 + second for hour, minute, second in product(hours, minutes, seconds)]

    def _is_named(self, number: int) -> bool:
        second = number * _SECONDS[self._rule.every]
        rule = self._rule
        return (
            (not rule.hours or second // 3600 in rule.hours)
            and (rule.every is Every.HOURLY or not rule.minutes or second // 60 % 60 in rule.minutes)
            and (rule.every is not Every.SECONDLY or not rule.seconds or second % 60 in rule.seconds)
        )

    def _in_unit(self, begin: datetime) -> Iterator[datetime]:
        """The times within one hour, minute or second."""
        rule = self._rule
        minutes = rule.minutes if rule.every is Every.HOURLY else (begin.minute,)
        seconds = rule.seconds if rule.every is not Every.SECONDLY else (begin.second,)
        places = self._places(len(minutes) * len(seconds)) if rule.positions else range(len(minutes) * len(seconds))
        for place in places:
            minute, second = divmod(place, len(seconds))
            yield begin.replace(minute=minutes[minute], second=seconds[second])


def _second_of_day(moment: datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _month(year: int, month: int) -> list[date]:
    return [date(year, month, day) for day in range(1, calendar.monthrange(year, month)[1] + 1)]


def _year(year: int, rule: Rule) -> list[date]:
    """The days of the year's months that the rule names, of all where it names none."""
    return [day for month in sorted(rule.months) or range(1, 13) for day in _month(year, month)]


def _day_test(rule: Rule) -> Callable[[date], bool]:
    """Whether a day is one of the rule's, as far as days decide."""
    every: list[tuple[object, Callable[[date], bool]]] = [
        (rule.months, lambda day: day.month in rule.months),
        (rule.month_days, lambda day: not rule.month_days.isdisjoint(_counted(day.day, _month_length(day)))),
        (rule.year_days, lambda day: not rule.year_days.isdisjoint(_counted(*_place_in_year(day)))),
        (rule.weeks, lambda day: not rule.weeks.isdisjoint(_counted(*_week_of(day, rule.week_start)))),
        (rule.weekdays, _weekday_test(rule)),
    ]
    tests = [test for given, test in every if given]
    return tests[0] if len(tests) == 1 else lambda day: all(test(day) for test in tests)


def _counted(place: int, length: int) -> tuple[int, int]:
    """A place, counted from the beginning and from the end."""
    return place, place - length - 1


def _month_length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _place_in_year(day: date) -> tuple[int, int]:
    return day.timetuple().tm_yday, 366 if calendar.isleap(day.year) else 365


def _weekday_test(rule: Rule) -> Callable[[date], bool]:
    plain = {weekday for nth, weekday in rule.weekdays if not nth}
    counted = {pair for pair in rule.weekdays if pair[0]}
    if not counted:
        return lambda day: day.weekday() in plain
    in_year = rule.every is Every.YEARLY and not rule.months

    def is_one(day: date) -> bool:
        weekday = day.weekday()
        place, length = _place_in_year(day) if in_year else (day.day, _month_length(day))
        from_start, from_end = (place - 1) // 7 + 1, -((length - place) // 7 + 1)
        return weekday in plain or (from_start, weekday) in counted or (from_end, weekday) in counted

    return is_one


def _week_of(day: date, week_start: int) -> tuple[int, int]:
    """The number of the day's week, and how many that year has; the first has at least four days of its year."""
    # The year of a week is that of its fourth day.
    fourth = day - timedelta(days=(day.weekday() - week_start) % 7) + timedelta(days=3)
    first = date(fourth.year, 1, 4)
    first -= timedelta(days=(first.weekday() - week_start) % 7)
    following = date(fourth.year + 1, 1, 4)
    following -= timedelta(days=(following.weekday() - week_start) % 7)
    return (day - first).days // 7 + 1, (following - first).days // 7
