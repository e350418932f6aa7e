"""What takes place of recurring events, worked out by hand and from the examples of RFC 5545 §3.8.5.3.

An instance is written as its start with its offset, `2026-03-08T09:00-04:00`, or as a date; `start/end` where its end
matters. Nothing here computes a recurrence: `at` only writes dates out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

EDT, EST = "T09:00-04:00", "T09:00-05:00"


@dataclass(frozen=True)
class Case:
    """A VEVENT's lines and what takes place in a window; `more` holds whole components after it, zones among them."""

    name: str
    lines: str
    expected: tuple[str, ...]
    more: str = ""
    window: tuple[date, date] = (date(2026, 1, 1), date(2027, 1, 1))
    floating_zone: str = "UTC"


def at(time: str, *months: str) -> list[str]:
    """`at("T09:00Z", "2026-01: 1-3,7")` is four instances; without a time they are dates."""
    found = []
    for month in months:
        name, _, days = month.partition(":")
        for part in days.split(","):
            first, _, last = part.strip().partition("-")
            found += [f"{name}-{day:02}{time}" for day in range(int(first), int(last or first) + 1)]
    return found


def new_york(start: str, *lines: str) -> str:
    """An event of an hour in New York."""
    return "\n".join([f"DTSTART;TZID=America/New_York:{start}", "DURATION:PT1H", *lines])


DAILY = new_york("20260601T090000", "RRULE:FREQ=DAILY;COUNT=4")

#: Where every one of these series stays as it is: 1 to 4 June 2026.
FIRST_FOUR = tuple(at(EDT, "2026-06: 1-4"))


def override(replaced: str, *lines: str) -> str:
    """A VEVENT that replaces an instance; `replaced` begins with the parameters of RECURRENCE-ID."""
    return "\n".join(["BEGIN:VEVENT", "UID:a", f"RECURRENCE-ID{replaced}", *lines, "END:VEVENT", ""])


def one(day: int) -> str:
    return f"2026-06-{day:02}{EDT}"


def clocks(name: str, zone: str, start: str, rule: str, *expected: str, **more: str) -> Case:
    """A series in a zone. `more` may hold a VTIMEZONE as `definition`, and the year as `year`."""
    year = int(more.get("year", "2026"))
    lines = f"DTSTART;TZID={zone}:{start}\nRRULE:{rule}"
    window = (date(year, 1, 1), date(year + 1, 1, 1))
    return Case(name, lines, expected, more=more.get("definition", ""), window=window)
