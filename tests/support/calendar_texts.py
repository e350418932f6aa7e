"""Events as a customer's own calendar program keeps and writes them, with nothing of Retinue's in it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Sydney", "Pacific/Auckland", "UTC", None)

#: Rules whose instances are always the same number of days apart.
STEPS = {"FREQ=DAILY": 1, "FREQ=WEEKLY": 7, "FREQ=WEEKLY;INTERVAL=2": 14, "FREQ=DAILY;INTERVAL=3": 3}
RULES = (*STEPS, "FREQ=MONTHLY", "FREQ=YEARLY")

PEOPLE = tuple(f"person{number}@example.com" for number in range(12))
REPLIES = ("NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE")


@dataclass(frozen=True)
class Change:
    """An instance changed on its own, and all later ones with it where `and_future` is set; by its number."""

    number: int
    hours: int
    title: str
    cancelled: bool = False
    and_future: bool = False


@dataclass(frozen=True)
class Event:
    """One object. `start` is on the wall, `zone` None for whole days; `count` None is for ever, 0 does not recur."""

    uid: str
    title: str
    start: datetime
    zone: str | None
    rule: str = ""
    count: int | None = 0
    changes: tuple[Change, ...] = ()
    excluded: tuple[int, ...] = ()
    people: tuple[tuple[str, str], ...] = ()
    sequence: int = 0

    @property
    def recurs(self) -> bool:
        return bool(self.rule)

    def nth(self, number: int) -> datetime:
        """The start of an instance; of rules of days and weeks, whose steps are the same."""
        return self.start + timedelta(days=STEPS[self.rule] * number)

    @property
    def can_change_one(self) -> bool:
        return self.rule in STEPS and self.count != 1

    def text(self) -> str:
        """The whole object as iCalendar."""
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//customer//EN", *self._master()]
        for change in self.changes:
            lines += self._changed(change)
        return "\r\n".join([*lines, "END:VCALENDAR", ""])

    def _master(self) -> list[str]:
        lines = ["BEGIN:VEVENT", *self._common(self.title), self._time("DTSTART", self.start), *self._length()]
        if self.recurs:
            lines.append(f"RRULE:{self.rule}" + (f";COUNT={self.count}" if self.count else ""))
        lines += [self._time("EXDATE", self.nth(number)) for number in self.excluded]
        return [*lines, "END:VEVENT"]

    def _changed(self, change: Change) -> list[str]:
        replaced = self.nth(change.number)
        name = "RECURRENCE-ID;RANGE=THISANDFUTURE" if change.and_future else "RECURRENCE-ID"
        lines = ["BEGIN:VEVENT", *self._common(change.title), self._time(name, replaced)]
        to = replaced + (timedelta(days=change.hours) if self.zone is None else timedelta(hours=change.hours))
        lines += [self._time("DTSTART", to), *self._length()]
        return [*lines, *(["STATUS:CANCELLED"] if change.cancelled else []), "END:VEVENT"]

    def _common(self, title: str) -> list[str]:
        lines = [f"UID:{self.uid}", "DTSTAMP:20260101T000000Z", f"SUMMARY:{title}", f"SEQUENCE:{self.sequence}"]
        if self.people:
            lines.append(f"ORGANIZER;CN=Boss:mailto:{self.people[0][0]}")
        return lines + [f"ATTENDEE;PARTSTAT={reply}:mailto:{address}" for address, reply in self.people[1:]]

    def _length(self) -> list[str]:
        return [] if self.zone is None else ["DURATION:PT45M"]

    def _time(self, name: str, moment: datetime) -> str:
        if self.zone is None:
            return f"{name};VALUE=DATE:{moment:%Y%m%d}"
        if self.zone == "UTC":
            return f"{name}:{moment:%Y%m%dT%H%M%S}Z"
        return f"{name};TZID={self.zone}:{moment:%Y%m%dT%H%M%S}"


@dataclass
class Author:
    """Makes events and changes to them at random, around a day."""

    draw: random.Random
    today: date
    _made: int = field(default=0, init=False)

    def title(self) -> str:
        self._made += 1
        return f"Title {self._made}"

    def event(self) -> Event:
        """A new one: half of them recur."""
        day = self.today + timedelta(days=self.draw.randint(-500, 300))
        # By day, when no clock of these zones changes.
        start = datetime(day.year, day.month, day.day, self.draw.randint(8, 17))  # noqa: DTZ001 - on the wall
        made = Event(f"uid-{self.draw.getrandbits(48):x}", self.title(), start, self.draw.choice(ZONES))
        made = replace(made, people=self.people())
        if self.draw.random() < 0.5:
            return made
        rule, count = self.draw.choice(RULES), self.draw.choice((None, 3, 10, 60))
        # Not on a day that some months lack, which rules pass over.
        return replace(made, rule=rule, count=count, start=start.replace(day=min(start.day, 28)))

    def people(self) -> tuple[tuple[str, str], ...]:
        chosen = self.draw.sample(PEOPLE, self.draw.choice((0, 0, 2, 4)))
        return tuple((address, self.draw.choice(REPLIES)) for address in chosen)

    def edited(self, event: Event) -> Event:
        """The event with one thing changed, as people do."""
        act = self.draw.choice(
            (self._retitle, self._answer, self._move, self._change_one, self._change_one, self._take_out)
        )
        return replace(act(event), sequence=event.sequence + 1)

    def _retitle(self, event: Event) -> Event:
        return replace(event, title=self.title())

    def _answer(self, event: Event) -> Event:
        return replace(event, people=tuple((address, self.draw.choice(REPLIES)) for address, _ in event.people))

    def _move(self, event: Event) -> Event:
        """All of it to another day; what was changed on its own is forgotten."""
        start = event.start + timedelta(days=self.draw.randint(-3, 3))
        return replace(event, start=start.replace(day=min(start.day, 28)), changes=(), excluded=())

    def _change_one(self, event: Event) -> Event:
        if not event.can_change_one:
            return self._retitle(event)
        number = self._number(event)
        and_future = event.zone is not None and self.draw.random() < 0.3
        cancelled = not and_future and self.draw.random() < 0.2
        change = Change(number, self.draw.choice((-2, 1, 3)), self.title(), cancelled, and_future)
        kept = tuple(other for other in event.changes if other.number != number)
        return replace(event, changes=(*kept, change), excluded=tuple(n for n in event.excluded if n != number))

    def _take_out(self, event: Event) -> Event:
        if not event.can_change_one:
            return self._retitle(event)
        number = self._number(event)
        kept = tuple(other for other in event.changes if other.number != number)
        return replace(event, changes=kept, excluded=tuple({*event.excluded, number}))

    def _number(self, event: Event) -> int:
        return self.draw.randrange(1, event.count or 40)

    def split(self, event: Event) -> tuple[Event, Event]:
        """This and all that follow as a series of its own, as most programs do it."""
        number = self._number(event)
        left = None if event.count is None else event.count - number
        first = replace(
            event,
            count=number,
            changes=tuple(change for change in event.changes if change.number < number),
            excluded=tuple(other for other in event.excluded if other < number),
        )
        rest = replace(
            self.event(), rule=event.rule, count=left, start=event.nth(number) + timedelta(hours=1), zone=event.zone
        )
        return first, rest
