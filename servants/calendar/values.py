"""Single properties of an iCalendar component as plain Python values.

A property that icalendar could not read is left out here; the component's `errors` name it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, TypedDict

from icalendar import Component, vBroken
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from servants.calendar.zones import utc

#: The largest SEQUENCE that fits the column; RFC 5545 §3.3.8 allows no larger one.
MAX_SEQUENCE = 2**31 - 1

_MAILTO = "mailto:"


class Unreadable(ValueError):
    """The event cannot be placed in time."""


class Attendee(TypedDict):
    """A person asked to come; `status` and `role` are RFC 5545's PARTSTAT and ROLE."""

    email: str
    name: str | None
    status: str
    role: str


@dataclass(frozen=True, slots=True)
class Span:
    """When an event happens: two moments in UTC, or two dates of which the second is the day after the last."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    start_date: date | None = None
    end_date: date | None = None


def each(component: Component, name: str) -> Iterator[Any]:
    """Every readable value of a property. `Any`: icalendar's value classes share no type."""
    found = component.get(name)
    for value in found if isinstance(found, list) else [found]:
        if value is not None and not isinstance(value, vBroken):
            yield value


def first(component: Component, name: str) -> Any:
    """The first readable value of a property, or None."""
    return next(each(component, name), None)


def text(component: Component, name: str) -> str | None:
    """A text property; None where it is absent or empty."""
    value = first(component, name)
    return None if value is None else str(value) or None


def word(component: Component, name: str) -> str | None:
    """A text property whose case means nothing, in capitals."""
    value = text(component, name)
    return value.strip().upper() if value else None


def integer(component: Component, name: str) -> int:
    """An integer property; 0 where it is absent."""
    return min(max(int(first(component, name) or 0), 0), MAX_SEQUENCE)


def stamp(component: Component, name: str, zone: tzinfo) -> datetime | None:
    """A property that is one moment, in UTC."""
    value = getattr(first(component, name), "dt", None)
    return utc(value, zone) if isinstance(value, datetime) else None


def span(event: Component, zone: tzinfo) -> Span:
    """When the event happens, from DTSTART and DTEND or DURATION (RFC 5545 §3.6.1).

    Raises:
        Unreadable: it has no readable DTSTART, or one beyond the calendar.
    """
    start = getattr(first(event, "DTSTART"), "dt", None)
    end = getattr(first(event, "DTEND"), "dt", None)
    lasting = getattr(first(event, "DURATION"), "dt", None)
    try:
        if isinstance(start, datetime):
            return _timed(start, end, lasting, zone)
        if isinstance(start, date):
            return _all_day(start, end, lasting)
    except OverflowError as error:
        raise Unreadable(f"an event is beyond the calendar's end: {error}") from None
    raise Unreadable("an event has no DTSTART that can be read")


def _timed(start: datetime, end: Any, lasting: Any, zone: tzinfo) -> Span:
    starts_at = utc(start, zone)
    if isinstance(end, date):
        ends_at = utc(end if isinstance(end, datetime) else datetime.combine(end, time(tzinfo=start.tzinfo)), zone)
    elif isinstance(lasting, timedelta):
        ends_at = _after(start, lasting, zone)
    else:
        ends_at = starts_at
    return Span(starts_at=starts_at, ends_at=max(starts_at, ends_at))


def _after(start: datetime, lasting: timedelta, zone: tzinfo) -> datetime:
    """RFC 5545 §3.3.6: days are counted on the clock on the wall, hours exactly."""
    whole_days = lasting % timedelta(days=1) == timedelta(0)
    return utc(start + lasting, zone) if whole_days else utc(start, zone) + lasting


def _all_day(start: date, end: Any, lasting: Any) -> Span:
    next_day = start + timedelta(days=1)
    if isinstance(end, date):
        last = end.date() if isinstance(end, datetime) else end
    else:
        last = start + timedelta(days=lasting.days) if isinstance(lasting, timedelta) else next_day
    return Span(start_date=start, end_date=max(last, next_day))


def zone_name(event: Component) -> str | None:
    """The zone in which the event recurs, by its Olson name where it has one; Windows names are translated."""
    start = first(event, "DTSTART")
    zone = getattr(getattr(start, "dt", None), "tzinfo", None)
    if zone is None:
        return None
    tzid = _tzid(start)
    return getattr(zone, "key", None) or (WINDOWS_TO_OLSON.get(tzid, tzid) if tzid else None)


def unknown_zones(event: Component) -> list[str]:
    """A sentence for each zone that is named but neither known nor defined; its times were read as floating."""
    names = {
        _tzid(value)
        for name in ("DTSTART", "DTEND", "RECURRENCE-ID")
        for value in each(event, name)
        if isinstance(value.dt, datetime) and value.dt.tzinfo is None and _tzid(value)
    }
    return [f"time zone {name} is unknown; its times were read as floating" for name in sorted(filter(None, names))]


def _tzid(value: Any) -> str | None:
    return value.params.get("TZID")  # type: ignore[no-any-return]  # icalendar's parameters are untyped


def recurrence_dates(event: Component, name: str) -> Iterator[Any]:
    """All values of the RDATE or EXDATE properties: dates, times, and periods as pairs."""
    return (value.dt for dates in each(event, name) for value in dates.dts)


def rules(event: Component) -> str | None:
    """The recurrence rule as RFC 5545 writes it; several, which it discourages, on a line each."""
    return "\n".join(rule.to_ical().decode() for rule in each(event, "RRULE")) or None


def moments(event: Component, name: str, zone: tzinfo) -> tuple[str, ...]:
    """All dates of the RDATE or EXDATE properties, as text."""
    return tuple(moment_text(value, zone) for value in recurrence_dates(event, name))


def moment_text(value: date | datetime | tuple[Any, Any], zone: tzinfo) -> str:
    """`2026-11-03T14:00:00Z` for a moment, `2026-11-03` for a date, `start/end` for a period."""
    if isinstance(value, tuple):
        start, end = value
        return f"{moment_text(start, zone)}/{moment_text(start + end if isinstance(end, timedelta) else end, zone)}"
    if not isinstance(value, datetime):
        return value.isoformat()
    try:
        return utc(value, zone).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError as error:
        raise Unreadable(f"a date is beyond the calendar's end: {error}") from None


def organizer(event: Component) -> str | None:
    """The organizer's address."""
    value = first(event, "ORGANIZER")
    return None if value is None else _address(value)


def organizer_name(event: Component) -> str | None:
    """The organizer's display name."""
    value = first(event, "ORGANIZER")
    return None if value is None else value.params.get("CN")


def attendees(event: Component) -> tuple[Attendee, ...]:
    """Everyone asked to come, in the event's order; defaults are RFC 5545's (§3.2.12, §3.2.16)."""
    return tuple(
        Attendee(
            email=_address(value),
            name=value.params.get("CN"),
            status=str(value.params.get("PARTSTAT", "NEEDS-ACTION")).upper(),
            role=str(value.params.get("ROLE", "REQ-PARTICIPANT")).upper(),
        )
        for value in each(event, "ATTENDEE")
    )


def _address(value: Any) -> str:
    """The address in `mailto:…`; else the EMAIL parameter (RFC 7986 §6.2); else the value as it is."""
    address = str(value)
    if address.lower().startswith(_MAILTO):
        return address[len(_MAILTO) :].lower()
    return str(value.params.get("EMAIL") or address)
