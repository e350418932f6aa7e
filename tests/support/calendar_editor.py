"""A customer at work: changes the calendars of one user at random, through plain HTTP."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date

from tests.support.calendar_texts import Author, Event
from tests.support.radicale_server import Hand

SLUGS = ("work", "home", "team", "trips")


class Editor:
    """Keeps what it has put on the server, by path, to change it again."""

    def __init__(self, hand: Hand, draw: random.Random, today: date) -> None:
        self._hand = hand
        self._draw = draw
        self._author = Author(draw, today)
        self._calendars: dict[str, dict[str, Event]] = {}
        self._names = 0

    def change(self) -> None:
        """One change."""
        if not self._calendars:
            return self._make_calendar()
        acts: list[tuple[int, Callable[[], None]]] = [
            (30, self._create),
            (40, self._edit),
            (6, self._split),
            (14, self._delete),
            (6, self._move),
            (2, self._rename_calendar),
            (1, self._make_calendar),
            (1, self._delete_calendar),
        ]
        (act,) = self._draw.choices([act for _, act in acts], [weight for weight, _ in acts])
        return act()

    def _put(self, slug: str, name: str, event: Event) -> None:
        self._hand.put(f"{slug}/{name}", event.text())
        self._calendars[slug][name] = event

    def _create(self) -> None:
        event = self._author.event()
        self._put(self._draw.choice(sorted(self._calendars)), f"{event.uid}.ics", event)

    def _some(self) -> tuple[str, str] | None:
        places = [(slug, name) for slug, events in sorted(self._calendars.items()) for name in sorted(events)]
        return self._draw.choice(places) if places else None

    def _edit(self) -> None:
        place = self._some()
        if place is None:
            return self._create()
        slug, name = place
        return self._put(slug, name, self._author.edited(self._calendars[slug][name]))

    def _split(self) -> None:
        place = self._some()
        if place is None or not self._calendars[place[0]][place[1]].can_change_one:
            return self._create()
        slug, name = place
        first, rest = self._author.split(self._calendars[slug][name])
        self._put(slug, name, first)
        return self._put(slug, f"{rest.uid}.ics", rest)

    def _delete(self) -> None:
        place = self._some()
        if place is None:
            return self._create()
        slug, name = place
        self._hand.delete(f"{slug}/{name}")
        del self._calendars[slug][name]
        return None

    def _move(self) -> None:
        """To another calendar, as programs do where a server has no MOVE."""
        place, target = self._some(), self._draw.choice(sorted(self._calendars))
        if place is None or place[0] == target:
            return self._create()
        slug, name = place
        event = self._calendars[slug].pop(name)
        self._hand.delete(f"{slug}/{name}")
        return self._put(target, name, event)

    def _rename_calendar(self) -> None:
        self._names += 1
        self._hand.rename_calendar(self._draw.choice(sorted(self._calendars)), f"Name {self._names}")

    def _make_calendar(self) -> None:
        absent = [slug for slug in SLUGS if slug not in self._calendars]
        if not absent:
            return self._rename_calendar()
        slug = self._draw.choice(absent)
        self._hand.make_calendar(slug)
        self._calendars[slug] = {}
        return None

    def _delete_calendar(self) -> None:
        if len(self._calendars) < 2:
            return self._make_calendar()
        slug = self._draw.choice(sorted(self._calendars))
        self._hand.delete(f"{slug}/")
        del self._calendars[slug]
        return None
