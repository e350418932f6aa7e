"""iCalendar text (RFC 5545) as typed rows: one for a series' master, one for each instance changed on its own.

Text from the world's calendars is often wrong somewhere. What can be read is read; what cannot is named in `problem`.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

import icalendar
from icalendar.timezone import tzp

from servants.calendar import values
from servants.calendar.reading import read_series
from servants.calendar.recurrences import MAX_INSTANCES, expand
from servants.calendar.series import CANCELLED, Expansion, Series, Window, single
from servants.calendar.values import Attendee, Span, Unreadable
from servants.calendar.zone_rules import check_zones

MAX_PROBLEM_LENGTH = 500

_parsing = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One VEVENT.

    A timed event has `starts_at` and `ends_at`, aware and in UTC; an all-day one has `start_date` and `end_date`, the
    day after its last. `recurrence_id` is None for a master, else the instance it replaces: `2026-11-03T14:00:00Z` or
    `2026-11-03`. `rdates` and `exdates` are written the same way, a period as `start/end`. `timezone` is the zone in
    which the series recurs, None for floating times, which are read in the calendar's zone.
    """

    uid: str
    recurrence_id: str | None
    sequence: int
    summary: str | None
    description: str | None
    location: str | None
    url: str | None
    status: str | None
    transparency: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    start_date: date | None
    end_date: date | None
    timezone: str | None
    rrule: str | None
    rdates: tuple[str, ...]
    exdates: tuple[str, ...]
    organizer: str | None
    organizer_name: str | None
    attendees: tuple[Attendee, ...]
    created_at: datetime | None
    modified_at: datetime | None

    @property
    def all_day(self) -> bool:
        return self.start_date is not None


#: A row, and the VEVENT it was read from.
_Read = tuple[EventRow, icalendar.Component]


@dataclass(frozen=True, slots=True)
class ParsedObject:
    """One calendar object: its raw text, that text's SHA-256, and the rows read from it."""

    raw: str
    content_hash: str
    uid: str | None
    events: tuple[EventRow, ...]
    problem: str | None
    #: What the master and its overrides say together; None where there is no master that can be read.
    series: Series | None = field(default=None, repr=False, compare=False)


def parse_object(raw: str, *, floating_zone: ZoneInfo | None = None) -> ParsedObject:
    """Read one object's text; never raises.

    `floating_zone` is what times without a zone mean, UTC where it is None.
    """
    zone = floating_zone or ZoneInfo("UTC")
    problems: list[str] = []
    read: dict[str | None, _Read] = {}
    series = None
    try:
        for event in _components(raw):
            _collect(event, zone, read, problems)
        series = _series(read, zone, problems)
    except Unreadable as error:
        problems.append(str(error))
    except Exception as error:  # noqa: BLE001 - a parser meeting hostile text; what it says may quote private text
        problems.append(f"the text cannot be read as a calendar ({type(error).__name__})")
    events = tuple(row for row, _ in read.values())
    return ParsedObject(
        raw=raw,
        content_hash=hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest(),
        uid=events[0].uid if events else None,
        events=events,
        problem="; ".join(problems)[:MAX_PROBLEM_LENGTH] or None,
        series=series,
    )


def _series(read: Mapping[str | None, _Read], zone: ZoneInfo, problems: list[str]) -> Series | None:
    if None not in read:
        return None
    overrides = {row: component for row, (_, component) in read.items() if row is not None}
    return read_series(read[None][1], overrides, zone=zone, problems=problems)


def expand_object(parsed: ParsedObject, window: Window, *, today: date) -> Expansion:
    """What takes place of one object; never raises.

    Instances of a series whose master is not here, such as one meeting of it that somebody was asked to, stand alone.
    """
    if parsed.series is None:
        return _alone(parsed.events)
    try:
        return expand(parsed.series, window, today=today)
    except Exception as error:  # noqa: BLE001 - rules meeting the ends of the calendar, or a zone that makes no sense
        return Expansion(recurs=True, problem=str(error) or type(error).__name__)


def _alone(events: Sequence[EventRow]) -> Expansion:
    every = (single(_span(row), row.status, row=row.recurrence_id or "") for row in events)
    live = [instance for instance in every if instance.status != CANCELLED]
    return Expansion(live[:MAX_INSTANCES], too_long=len(live) > MAX_INSTANCES)


def _span(row: EventRow) -> Span:
    return Span(row.starts_at, row.ends_at, row.start_date, row.end_date)


def _components(raw: str) -> list[icalendar.Component]:
    """The VEVENTs in the text.

    icalendar keeps the zones that files define in one cache for the whole process and would lend one customer's
    "Customized Time Zone" to the next, so the cache is emptied before each file, one file at a time. It gets bytes,
    because a string without a line break it would take for the name of a file to open.
    """
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tzp.use_default()
        calendars = icalendar.Calendar.from_ical(raw.encode(), multiple=True)
    if not calendars:
        raise Unreadable("there is no whole calendar in the text")
    check_zones(_walk(calendars, "VTIMEZONE"))
    return list(_walk(calendars, "VEVENT"))


def _walk(calendars: Sequence[icalendar.Component], name: str) -> Iterator[icalendar.Component]:
    for calendar in calendars:
        yield from calendar.walk(name)


def _collect(event: icalendar.Component, zone: ZoneInfo, read: dict[str | None, _Read], problems: list[str]) -> None:
    """Add the event's row and what is wrong with it.

    One object holds one UID (RFC 4791 §4.1) and each instance once; the first UID and the highest SEQUENCE win.
    """
    # The reasons quote the text, which may be private.
    problems += [f"{name} cannot be read" if name else "a line cannot be read" for name, _ in event.errors]
    problems += values.unknown_zones(event)
    try:
        row = _row(event, zone)
    except Unreadable as error:
        problems.append(str(error))
        return
    if not row.uid:
        problems.append("an event has no UID")
    present = read.get(row.recurrence_id)
    (kept, _) = next(iter(read.values()), (row, event))
    if kept.uid != row.uid:
        problems.append(f"event {row.uid!r} shares the object of another and was left out")
    elif present is None or present[0].sequence <= row.sequence:
        read[row.recurrence_id] = row, event


def _row(event: icalendar.Component, zone: ZoneInfo) -> EventRow:
    span = values.span(event, zone)
    instance = values.first(event, "RECURRENCE-ID")
    return EventRow(
        uid=values.text(event, "UID") or "",
        recurrence_id=None if instance is None else values.moment_text(instance.dt, zone),
        sequence=values.integer(event, "SEQUENCE"),
        summary=values.text(event, "SUMMARY"),
        description=values.text(event, "DESCRIPTION"),
        location=values.text(event, "LOCATION"),
        url=values.text(event, "URL"),
        status=values.word(event, "STATUS"),
        transparency=values.word(event, "TRANSP"),
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        start_date=span.start_date,
        end_date=span.end_date,
        timezone=values.zone_name(event),
        rrule=values.rules(event),
        rdates=values.moments(event, "RDATE", zone),
        exdates=values.moments(event, "EXDATE", zone),
        organizer=values.organizer(event),
        organizer_name=values.organizer_name(event),
        attendees=values.attendees(event),
        created_at=values.stamp(event, "CREATED", zone),
        modified_at=values.stamp(event, "LAST-MODIFIED", zone) or values.stamp(event, "DTSTAMP", zone),
    )
