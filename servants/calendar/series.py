"""What a calendar object says about when its event takes place, and what comes out of it.

Times without a zone are on the wall of the series: the clock in its own time zone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo

from servants.calendar.rules import Rule
from servants.calendar.values import Span
from servants.calendar.zones import utc, wall_clock


@dataclass(frozen=True, slots=True)
class Window:
    """What is expanded: what starts on `first` or later and before `end`; days of UTC for what has a time."""

    first: date
    end: date

    def holds(self, span: Span) -> bool:
        return self.first <= day_of(span) < self.end


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long each instance is: days on the wall, or an exact time (RFC 5545 §3.8.5.3)."""

    days: int = 0
    exact: timedelta = timedelta()

    def span(self, start: datetime, *, zone: tzinfo, all_day: bool) -> Span:
        """From a start on the wall."""
        if all_day:
            first = start.date()
            return Span(start_date=first, end_date=first + timedelta(days=max(self.days, 1)))
        begin = utc(start, zone)
        end = utc(start + timedelta(days=self.days), zone) if self.days else begin + self.exact
        return Span(starts_at=begin, ends_at=max(begin, end))


#: A date or time as the text has it.
Moment = date | datetime

#: An RDATE's start, and its end or how long it lasts.
Period = tuple[datetime, datetime | timedelta]

CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A VEVENT with a RECURRENCE-ID. `start` is its own, on the wall of its series; `row` is its row's recurrence ID.

    `and_future` says that all later instances move along with it (RFC 5545 §3.2.13).
    """

    replaces: Moment
    row: str
    span: Span
    start: datetime
    lasting: Lasting
    status: str | None
    and_future: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """An object's master, and what was changed on its own. `start` is on the wall of `zone`."""

    start: datetime
    all_day: bool
    zone: tzinfo
    floating: bool = False
    span: Span
    lasting: Lasting
    status: str | None
    rules: tuple[Rule, ...] = ()
    excluded_rules: tuple[Rule, ...] = ()
    rdates: tuple[Moment | Period, ...] = ()
    exdates: tuple[Moment, ...] = ()
    overrides: tuple[Override, ...] = ()

    @property
    def recurs(self) -> bool:
        return bool(self.rules or self.rdates or self.overrides or self.exdates)


@dataclass(frozen=True, slots=True)
class Instance:
    """Something that takes place. `key` is the start that the series gave it, empty for what does not recur; `row` is
    the recurrence ID of the event row that describes it, empty for the master."""

    key: str
    row: str
    span: Span
    status: str | None


@dataclass(frozen=True, slots=True)
class Expansion:
    """The instances in a window.

    `recurs` says that they depend on the window, `goes_on` that there may be others after it, `too_long` that some in
    it are left out.
    """

    instances: list[Instance] = field(default_factory=list)
    recurs: bool = False
    goes_on: bool = False
    too_long: bool = False
    #: Why nothing could be made of the series.
    problem: str | None = None


def single(span: Span, status: str | None, *, row: str = "") -> Instance:
    """What does not recur, or one instance of a series that is not here."""
    return Instance(row, row, span, status)


def on_wall(value: Moment, series: Series) -> datetime:
    """A date or time from the text as a time on the series' wall."""
    if not isinstance(value, datetime):
        return datetime.combine(value, series.start.time())
    if series.all_day:
        return midnight(value.date())
    return wall_clock(value, series.zone) if value.tzinfo else value


def moment_of(start: datetime, series: Series) -> datetime:
    """What makes two starts the same: the moment, or the date."""
    return start if series.all_day else utc(start, series.zone)


def written(rdate: Moment | Period, series: Series) -> tuple[datetime, Lasting]:
    if not isinstance(rdate, tuple):
        return on_wall(rdate, series), series.lasting
    begin, end = rdate
    start = on_wall(begin, series)
    if series.all_day:
        last = end if isinstance(end, datetime) else begin + end
        return start, Lasting(days=(last.date() - begin.date()).days)
    if isinstance(end, timedelta):
        return start, lasting_of(end)
    return start, Lasting(exact=utc(end, series.zone) - utc(begin, series.zone))


def lasting_of(duration: timedelta) -> Lasting:
    """RFC 5545 §3.3.6: days are counted on the clock on the wall, hours exactly."""
    whole_days = duration % timedelta(days=1) == timedelta()
    return Lasting(days=duration.days) if whole_days else Lasting(exact=duration)


def day_of(span: Span) -> date:
    if span.start_date is not None:
        return span.start_date
    if span.starts_at is None:
        raise ValueError("a span has neither a moment nor a date")
    return span.starts_at.date()


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())
