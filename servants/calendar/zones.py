"""From a clock on a wall to moments in UTC.

A zone is an Olson one (`zoneinfo`) or one that the calendar's own text defines (a VTIMEZONE, read by dateutil).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

#: The last year in which a zone that a text defines is looked up: a lookup counts through the years up to it.
LAST_YEAR = 2099

#: The offset that each zone has all through a week, by the week's number; None where it changes.
_weeks: WeakKeyDictionary[tzinfo, dict[int, timedelta | None]] = WeakKeyDictionary()


def utc(value: datetime, zone: tzinfo) -> datetime:
    """The moment in UTC; `zone` is what a time without a zone is read in.

    A time that the clocks skip is counted with the offset before the gap, one that they show twice is the first
    (RFC 5545 §3.3.5).

    Raises:
        OverflowError: it is beyond the calendar, or beyond `LAST_YEAR` in a zone that a text defines.
    """
    aware = value if value.tzinfo else value.replace(tzinfo=zone)
    if isinstance(aware.tzinfo, ZoneInfo | timezone):
        return aware.astimezone(UTC)
    _check_year(aware)
    offset = _steady_offset(aware)
    return _without_gap(aware) if offset is None else (aware.replace(tzinfo=UTC) - offset)


def wall_clock(moment: datetime, zone: tzinfo) -> datetime:
    """What the clock on a wall in `zone` shows at a moment, without a zone of its own.

    Raises:
        OverflowError: see `utc`.
    """
    if not isinstance(zone, ZoneInfo | timezone):
        _check_year(moment)
    return moment.astimezone(zone).replace(tzinfo=None)


def _check_year(moment: datetime) -> None:
    if moment.year > LAST_YEAR:
        raise OverflowError(f"a time zone that the text defines is followed up to {LAST_YEAR}")


def _without_gap(aware: datetime) -> datetime:
    """`zoneinfo` takes the offset before a gap by itself; dateutil takes the one after it."""
    moment = aware.astimezone(UTC)
    slip = moment.astimezone(aware.tzinfo).replace(tzinfo=None) - aware.replace(tzinfo=None)
    return (aware + slip).astimezone(UTC) - slip if slip else moment


def _steady_offset(aware: datetime) -> timedelta | None:
    """The zone's offset unless it changes in this week: dateutil counts through all changes for each answer."""
    zone = aware.tzinfo
    if zone is None:
        raise ValueError("a time without a zone")
    weeks = _weeks.setdefault(zone, {})
    number = aware.toordinal() // 7
    if number not in weeks:
        begin = datetime.fromordinal(number * 7).replace(tzinfo=zone)
        first, last = begin.utcoffset(), (begin + timedelta(days=7)).utcoffset()
        weeks[number] = first if first == last else None
    return weeks[number]


def zone_or_utc(name: str | None) -> ZoneInfo:
    """The zone of this name, Olson's or Windows'; UTC where there is none."""
    try:
        return ZoneInfo(WINDOWS_TO_OLSON.get(name, name) if name else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
