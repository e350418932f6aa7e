"""VEVENTs as a series: what `servants.calendar.recurrences` follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo

from icalendar import Component

from servants.calendar import values
from servants.calendar.rules import Rule, UnreadableRule, read_rule
from servants.calendar.series import Lasting, Override, Series, lasting_of, midnight, on_wall


def read_series(master: Component, overrides: Mapping[str, Component], *, zone: tzinfo, problems: list[str]) -> Series:
    """The series of a master and its overrides, which come by their rows' recurrence IDs.

    `zone` is what times without one mean. What cannot be read is left out and named in `problems`.

    Raises:
        Unreadable: one of them cannot be placed in time.
    """
    start = values.first(master, "DTSTART").dt
    series = Series(
        start=start.replace(tzinfo=None) if isinstance(start, datetime) else midnight(start),
        all_day=not isinstance(start, datetime),
        zone=getattr(start, "tzinfo", None) or zone,
        floating=getattr(start, "tzinfo", None) is None,
        span=values.span(master, zone),
        lasting=_lasting(master, zone),
        status=values.word(master, "STATUS"),
        rules=tuple(_rules(master, "RRULE", problems)),
        excluded_rules=tuple(_rules(master, "EXRULE", problems)),
        rdates=tuple(values.recurrence_dates(master, "RDATE")),
        exdates=tuple(values.recurrence_dates(master, "EXDATE")),
    )
    return replace(series, overrides=tuple(_override(row, event, series, zone) for row, event in overrides.items()))


def _rules(event: Component, name: str, problems: list[str]) -> Iterator[Rule]:
    for rule in values.each(event, name):
        try:
            yield read_rule(rule)
        except UnreadableRule as error:
            problems.append(f"{name}: {error}")


def _override(row: str, event: Component, series: Series, zone: tzinfo) -> Override:
    replaced = values.first(event, "RECURRENCE-ID")
    return Override(
        replaces=replaced.dt,
        row=row,
        span=values.span(event, zone),
        start=on_wall(values.first(event, "DTSTART").dt, series),
        lasting=_lasting(event, zone),
        status=values.word(event, "STATUS"),
        and_future=str(replaced.params.get("RANGE", "")).upper() == "THISANDFUTURE",
    )


def _lasting(event: Component, zone: tzinfo) -> Lasting:
    """How long each instance lasts: an end stands for an exact time, a DURATION may be in days."""
    span = values.span(event, zone)
    if span.start_date is not None and span.end_date is not None:
        return Lasting(days=(span.end_date - span.start_date).days)
    duration = getattr(values.first(event, "DURATION"), "dt", None)
    if isinstance(duration, timedelta) and not isinstance(getattr(values.first(event, "DTEND"), "dt", None), date):
        return lasting_of(max(duration, timedelta()))
    if span.starts_at is None or span.ends_at is None:
        return Lasting()
    return Lasting(exact=span.ends_at - span.starts_at)
