"""What a schedule says, as a value; `infra.triggers` computes its fire times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

#: The shortest and the longest interval of a schedule.
MIN_INTERVAL = timedelta(seconds=1)
MAX_INTERVAL = timedelta(days=366)

#: A job starts at most this long after its fire time.
MAX_JITTER = timedelta(days=1)


class ScheduleState(StrEnum):
    """Whether a schedule makes jobs."""

    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields (minute hour day month weekday) in the schedule's time zone."""

    expression: str


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed interval, counted from the schedule's start."""

    interval: timedelta


Rule = Cron | Every
