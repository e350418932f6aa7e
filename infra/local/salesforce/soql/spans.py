"""Date literals ("Date Formats and Date Literals"): the days each stands for. Weeks begin on Sunday."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

#: The first day, and the day after the last.
Days = tuple[date, date]

_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_RELATIVE = {"LAST": -1, "THIS": 0, "NEXT": 1}


def days_of(name: str, count: int, today: date) -> Days:
    """The days of a literal such as `LAST_N_MONTHS` and 3; fiscal quarters and years are the calendar's."""
    words = name.replace("FISCAL_", "").split("_")
    if len(words) == 1:
        return _days(today, {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}[name], 1)
    if words[-1] == "AGO":
        return _unit(_singular(words[1]), today, -count, 1)
    if words[1] in {"N", "90"}:
        return _run(words[0], _singular(words[2]), today, 90 if words[1] == "90" else count)
    return _unit(words[1], today, _RELATIVE[words[0]], 1)


def _run(direction: str, unit: str, today: date, count: int) -> Days:
    """The last or next so many; the last days end with today, other units with the one before the present one."""
    if direction == "NEXT":
        return _unit(unit, today, 1, count)
    first, end = _unit(unit, today, -count, count)
    return (first, end + timedelta(days=1)) if unit == "DAY" else (first, end)


def _singular(unit: str) -> str:
    return unit.removesuffix("S")


def _unit(unit: str, today: date, offset: int, count: int) -> Days:
    """So many units from the one that is `offset` after the one of today."""
    starts: dict[str, Callable[[date, int, int], Days]] = {"DAY": _days, "WEEK": _weeks}
    if unit in starts:
        return starts[unit](today, offset, count)
    months = _MONTHS[unit]
    this = today.year * 12 + (today.month - 1) // months * months
    return _month(this + offset * months), _month(this + (offset + count) * months)


def _days(today: date, offset: int, count: int) -> Days:
    return today + timedelta(days=offset), today + timedelta(days=offset + count)


def _weeks(today: date, offset: int, count: int) -> Days:
    sunday = today - timedelta(days=today.isoweekday() % 7)
    return sunday + timedelta(weeks=offset), sunday + timedelta(weeks=offset + count)


def _month(number: int) -> date:
    """The first day of the month that is so many after the beginning of the year 0."""
    year, month = divmod(number, 12)
    return date(max(year, 1), month + 1, 1)
