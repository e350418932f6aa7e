"""Time zones that a text defines (RFC 5545 §3.6.5), refused where looking up an offset in them would take long.

A lookup counts through all changes of a zone, day by day through each year of its rules.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from icalendar import Component

from servants.calendar import values
from servants.calendar.values import Unreadable
from servants.calendar.zones import LAST_YEAR

#: How many changes a time zone may list; a lookup goes through all of them.
MAX_ZONE_CHANGES = 1_000

#: How many years the rules of all zones may go through up to `LAST_YEAR`; programs write two rules from the year 1 on.
MAX_ZONE_YEARS = 5_000

_PARTS = frozenset({"FREQ", "BYMONTH", "BYDAY", "BYMONTHDAY", "INTERVAL", "COUNT", "UNTIL", "WKST"})

#: BYDAY with the days of one week of the month: `BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=SU`.
_DAYS_OF_WEEK = 7

_LEAP_YEAR = 2024

#: A rule's values, by the names of its parts. `Any`: icalendar's value classes share no type.
_Rule = Mapping[str, Sequence[Any]]


def check_zones(zones: Iterable[Component]) -> None:
    """Look at all zones of a text.

    Raises:
        Unreadable: they change too often, or by a rule for more or less than one day of each year.
    """
    if sum(_checked_years(zone) for zone in zones) > MAX_ZONE_YEARS:
        raise Unreadable(f"the rules of the time zones go through more than {MAX_ZONE_YEARS} years")


def _checked_years(zone: Component) -> int:
    """How many years the zone's rules go through."""
    name, parts = zone.get("TZID"), zone.subcomponents
    if sum(1 + len(list(values.recurrence_dates(part, "RDATE"))) for part in parts) > MAX_ZONE_CHANGES:
        raise Unreadable(f"time zone {name} is written out in more than {MAX_ZONE_CHANGES} changes")
    rules = [(part, rule) for part in parts for rule in values.each(part, "RRULE")]
    if not all(_is_yearly(rule) for _, rule in rules):
        raise Unreadable(f"time zone {name} changes by a rule that is not yearly")
    return sum(_years(part, rule) for part, rule in rules)


def _is_yearly(rule: _Rule) -> bool:
    """Whether the rule gives one day of each year; one that never gave any would be counted through for ever."""
    days, month_days, months = (rule.get(name, []) for name in ("BYDAY", "BYMONTHDAY", "BYMONTH"))
    if rule.get("FREQ") != ["YEARLY"] or rule.get("INTERVAL", [1]) != [1] or not _PARTS.issuperset(rule):
        return False
    if days or month_days:
        return len(months) == 1 and len(days) <= 1 and _is_one_day(days, month_days, month=int(months[0]))
    return len(months) <= 1


def _is_one_day(days: Sequence[Any], month_days: Sequence[int], *, month: int) -> bool:
    """Whether these name one day of the month, as in `-1SU`, `31`, or `SU` and the seven days of a week."""
    if not 1 <= month <= 12 or not all(1 <= abs(day) <= monthrange(_LEAP_YEAR, month)[1] for day in month_days):
        return False
    if not days or not month_days:
        return len(month_days) == 1 or bool(days and 1 <= abs(days[0].relative or 0) <= 5)
    return len(month_days) <= _DAYS_OF_WEEK and not days[0].relative


def _years(part: Component, rule: _Rule) -> int:
    start, until = values.first(part, "DTSTART"), rule.get("UNTIL", [None])[0]
    first = start.dt.year if start is not None and isinstance(start.dt, date) else 1
    last = min(until.year, LAST_YEAR) if isinstance(until, date) else LAST_YEAR
    return max(last - first, 0) + 1
