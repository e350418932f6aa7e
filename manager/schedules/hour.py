"""The coming hour as a picture: for each type a bar a minute, drawn by the server, coloured by the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.postgres.schedule_runs import AHEAD_MINUTES, ComingHour, ComingType

#: A row's height, and the least that a bar has, in the picture's own units; a minute is 10 wide.
HEIGHT = 28
LEAST = 3
MINUTE_WIDTH = 10

#: Minutes between two marks of the axis.
MARK_MINUTES = 15


@dataclass(frozen=True, slots=True)
class Bar:
    """What comes in one minute, from `at` on."""

    x: int
    y: float
    height: float
    jobs: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One type's hour."""

    type: str
    total: int
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Hour:
    """The picture. `marks` are the moments on its axis."""

    at: datetime
    rows: Sequence[Row]
    marks: Sequence[datetime]
    width: int = AHEAD_MINUTES * MINUTE_WIDTH
    height: int = HEIGHT

    @property
    def quarters(self) -> Sequence[int]:
        """Where the marks between the ends are."""
        return [n * MARK_MINUTES * MINUTE_WIDTH for n in range(1, AHEAD_MINUTES // MARK_MINUTES)]


def draw_hour(hour: ComingHour) -> Hour:
    """Every type to its own scale: a type of few jobs is seen as well as one of thousands."""
    marks = [hour.at + timedelta(minutes=n) for n in range(0, AHEAD_MINUTES + 1, MARK_MINUTES)]
    return Hour(hour.at, [_row(coming, hour.at) for coming in hour.types], marks)


def _row(coming: ComingType, at: datetime) -> Row:
    most = max(coming.minutes) or 1
    bars = [_bar(n, jobs, most, at) for n, jobs in enumerate(coming.minutes) if jobs]
    return Row(coming.type, coming.total, bars)


def _bar(minute: int, jobs: int, most: int, at: datetime) -> Bar:
    height = round(max(LEAST, jobs / most * HEIGHT), 1)
    return Bar(minute * MINUTE_WIDTH + 1, round(HEIGHT - height, 1), height, jobs, at + timedelta(minutes=minute))
