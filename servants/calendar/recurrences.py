"""A series' instances: what takes place of it, and when (RFC 5545 §3.8.4.4, §3.8.5).

    DTSTART, RRULEs, RDATEs  −  EXDATEs, EXRULEs  ─▶  each replaced by its override, or moved by a THISANDFUTURE one

A series is followed in its own time zone, on the clock on the wall. Where texts leave the standard:

- an UNTIL that is a date holds through that day; one with a time, of an all-day series, means its date;
- an EXDATE that is a date, of a series with times, means all that begins on that day;
- a RECURRENCE-ID or RDATE that is a date, of a series with times, means the series' time of day;
- an override of something that the rules do not give takes place all the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from operator import itemgetter

from servants.calendar.occurrences import Steps, TooManySteps, occurrences
from servants.calendar.rules import Rule
from servants.calendar.series import (
    CANCELLED,
    Expansion,
    Instance,
    Lasting,
    Series,
    Window,
    day_of,
    midnight,
    moment_of,
    on_wall,
    single,
    written,
)
from servants.calendar.values import moment_text
from servants.calendar.zones import utc, wall_clock

#: The most instances that one series has in the database.
MAX_INSTANCES = 5_000

#: How many days and times are looked at for one series, a second's worth at most.
MAX_STEPS = 100_000

#: What the dates of an override may be away from the instance that it moves along with all later ones.
MAX_SHIFT = timedelta(days=366)

#: Covers what clocks are changed by.
_MARGIN = timedelta(hours=3)


def expand(series: Series, window: Window, *, today: date) -> Expansion:
    """What takes place of a series in the window; what is cancelled is left out.

    Of a series with more than `MAX_INSTANCES`, or whose rules take more than `MAX_STEPS` to follow, those from `today`
    on are given, as far as both limits allow.
    """
    if not series.recurs:
        return Expansion([] if series.status == CANCELLED else [single(series.span, series.status)])
    follower = _Follower(series, window)
    if _follow(follower, MAX_INSTANCES + 1) and len(follower.found) <= MAX_INSTANCES:
        return Expansion(follower.found, recurs=True, goes_on=follower.goes_on)
    rest = _Follower(series, Window(min(max(window.first, today), window.end), window.end))
    _follow(rest, MAX_INSTANCES)
    return Expansion(rest.found[:MAX_INSTANCES], recurs=True, goes_on=True, too_long=True)


def _follow(follower: _Follower, limit: int) -> bool:
    """Whether it could be followed to its end."""
    try:
        follower.follow(limit)
    except TooManySteps:
        return False
    return True


class _Follower:
    """One series followed through one window."""

    def __init__(self, series: Series, window: Window) -> None:
        self._series = series
        self._window = window
        self._steps = Steps(MAX_STEPS)
        self._replaced = {moment_of(on_wall(change.replaces, series), series): change for change in series.overrides}
        self._movers = sorted(
            ((on_wall(change.replaces, series), change) for change in series.overrides if change.and_future),
            key=itemgetter(0),
        )
        self.after, self.end = self._bounds()
        self.found: list[Instance] = []
        self.goes_on = any(window.end <= day_of(change.span) for change in series.overrides)

    def follow(self, limit: int) -> None:
        """Put all instances into `found`, but no more than `limit`.

        Raises:
            TooManySteps: see `occurrences`; `found` has those until then.
        """
        excluded = self._excluded_moments()
        days = {value for value in self._series.exdates if not isinstance(value, datetime)}
        for moment, change in self._replaced.items():
            wall = on_wall(change.replaces, self._series)
            if moment not in excluded and wall.date() not in days:
                self._keep(Instance(self._key(wall), change.row, change.span, change.status))
        for start, lasting in self._starts():
            if len(self.found) >= limit:
                return
            moment = moment_of(start, self._series)
            if moment not in excluded and moment not in self._replaced and start.date() not in days:
                self._place(start, lasting)

    def _bounds(self) -> tuple[datetime, datetime]:
        """From when to when the rules are followed: an override may move what lies outside of the window into it."""
        shifts = [abs(change.start - wall) for wall, change in self._movers]
        reach = min(max(shifts, default=timedelta()), MAX_SHIFT) + _MARGIN
        return self._wall_at(self._window.first) - reach, self._wall_at(self._window.end) + reach

    def _wall_at(self, day: date) -> datetime:
        """What the series' clock shows when the day begins in UTC."""
        if self._series.all_day:
            return midnight(day)
        return wall_clock(midnight(day).replace(tzinfo=UTC), self._series.zone)

    def _excluded_moments(self) -> set[datetime]:
        series = self._series
        named = {moment_of(on_wall(value, series), series) for value in series.exdates}
        ruled = (start for rule in series.excluded_rules for start in self._ruled(rule))
        return named | {moment_of(start, series) for start in ruled}

    def _starts(self) -> Iterator[tuple[datetime, Lasting]]:
        """What the series gives, each start once; those that are written out come first."""
        series, seen = self._series, set[datetime]()
        named = [(series.start, series.lasting)] if self._begins() else []
        named += [written(rdate, series) for rdate in series.rdates]
        self.goes_on |= any(start >= self.end for start, _ in named)
        ruled = ((start, series.lasting) for rule in series.rules for start in self._following(rule))
        for start, lasting in chain(named, ruled):
            moment = moment_of(start, series)
            if moment not in seen and self.after <= start < self.end:
                seen.add(moment)
                yield start, lasting

    def _begins(self) -> bool:
        """DTSTART counts, unless every rule ends before it: so programs write that nothing is left of a series."""
        rules = self._series.rules
        return not rules or not all(_is_past(rule, self._series.start, self._series) for rule in rules)

    def _following(self, rule: Rule) -> Iterator[datetime]:
        ruled = self._ruled(rule)
        yield from ruled
        self.goes_on |= ruled.goes_on

    def _ruled(self, rule: Rule) -> _Ruled:
        return _Ruled(rule, self._series, (self.after, self.end), self._steps)

    def _place(self, start: datetime, lasting: Lasting) -> None:
        series, key = self._series, self._key(start)
        earlier = bisect_right(self._movers, start, key=itemgetter(0))
        if not earlier:
            span = lasting.span(start, zone=series.zone, all_day=series.all_day)
            return self._keep(Instance(key, "", span, series.status))
        wall, change = self._movers[earlier - 1]
        span = change.lasting.span(change.start + (start - wall), zone=series.zone, all_day=series.all_day)
        return self._keep(Instance(key, change.row, span, change.status))

    def _keep(self, instance: Instance) -> None:
        if instance.status != CANCELLED and self._window.holds(instance.span):
            self.found.append(instance)

    def _key(self, start: datetime) -> str:
        series = self._series
        return moment_text(start.date() if series.all_day else utc(start, series.zone), UTC)


class _Ruled:
    """A rule's starts within bounds, up to its COUNT and UNTIL; `goes_on` afterwards: whether the bounds cut it off."""

    def __init__(self, rule: Rule, series: Series, bounds: tuple[datetime, datetime], steps: Steps) -> None:
        self._rule = rule
        self._series = series
        self._after, self._end = bounds
        self._steps = steps
        self.goes_on = False

    def __iter__(self) -> Iterator[datetime]:
        rule, series = self._rule, self._series
        # DTSTART is the first that is counted, whether or not the rule gives it.
        left, after = (None, self._after) if rule.count is None else (rule.count - 1, series.start)
        for start in occurrences(rule, series.start, after=after, end=self._end, steps=self._steps):
            if start != series.start and left is not None:
                if left == 0:
                    return
                left -= 1
            if _is_past(rule, start, series):
                return
            yield start
        self.goes_on = left != 0 and not _is_past(rule, self._end, series)


def _is_past(rule: Rule, start: datetime, series: Series) -> bool:
    """Whether a start is after the rule's UNTIL."""
    until = rule.until
    if until is None:
        return False
    if series.all_day or not isinstance(until, datetime):
        return start.date() > (until.date() if isinstance(until, datetime) else until)
    if until.tzinfo is None or series.floating:
        return start > until.replace(tzinfo=None)
    return utc(start, series.zone) > until
