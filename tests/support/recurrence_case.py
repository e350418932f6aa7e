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
