"""When a budget's calls will be used up, at the rate at which they were used lately. Pure.

What was spent weighs on its window until that has passed, so a window that is nearly full may still never fill up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from retinue.budget import BUCKETS
from retinue.limits import DAY, HOUR

#: The rate is that of the part of the window under way and of so many before.
RECENT_PARTS = 2

_WINDOWS = {DAY: "day", HOUR: "hour"}


class Spent(NamedTuple):
    """Calls reported in the part of the window that began then."""

    at: datetime
    calls: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """One window: how much is used, how fast, and when none is left for jobs that are not urgent.

    `ends_at` None says that it lasts: what is used falls out of the window as fast.
    """

    seconds: int
    limit: int
    ceiling: int
    used: int
    calls_per_hour: float
    ends_at: datetime | None
    now: datetime

    @property
    def share(self) -> float:
        """The used share of the limit."""
        return min(1.0, self.used / self.limit) if self.limit else 1.0

    @property
    def words(self) -> str:
        """The same as a sentence."""
        window = _WINDOWS.get(self.seconds, f"window of {self.seconds} s")
        calls = f"the {window}'s {self.limit:,} calls"
        kept = "" if self.ceiling == self.limit else f" but for the {self.limit - self.ceiling:,} kept for urgent ones"
        if self.used >= self.ceiling:
            return f"All of {calls}{kept} are used."
        if self.ends_at is None:
            used = f"{self.used:,} of {calls} are used"
            return f"{used}." if not self.calls_per_hour else f"{used}; at this rate they last."
        return f"At this rate {calls}{kept} end at {_told(self.ends_at, self.now)}."


def forecast(
    *, seconds: int, limit: int, reserve: float, spent: Sequence[Spent], others: int, now: datetime
) -> Forecast:
    """What becomes of a window within its own length.

    `spent` is by the parts that the window is counted in; `others` weigh on it, too, and stay: what others than Retinue
    spend, and what is lent and not reported yet.
    """
    part = timedelta(seconds=seconds / BUCKETS)
    used = sum(one.calls for one in spent) + others
    rate = _rate(spent, part=part, now=now)
    ceiling = limit - math.ceil(limit * reserve)
    frees = sorted((one.at + timedelta(seconds=seconds) + part, one.calls) for one in spent)
    ends_at = _end(ceiling - used, rate, frees, now=now, until=now + timedelta(seconds=seconds))
    return Forecast(seconds, limit, ceiling, used, rate * HOUR, ends_at, now)


def _rate(spent: Sequence[Spent], *, part: timedelta, now: datetime) -> float:
    """Calls a second since the beginning of the parts that are looked at."""
    since = now - RECENT_PARTS * part
    recent = [one for one in spent if one.at + part > since]
    if not recent:
        return 0.0
    began = min(one.at for one in recent)
    return sum(one.calls for one in recent) / max((now - began).total_seconds(), part.total_seconds() / 2)


def _end(
    left: float, rate: float, frees: Sequence[tuple[datetime, int]], *, now: datetime, until: datetime
) -> datetime | None:
    """When nothing is left; None where that is not before `until`."""
    if left <= 0:
        return now
    if rate <= 0:
        return None
    at = now
    for freed_at, calls in [*((max(one, now), calls) for one, calls in frees if one < until), (until, 0)]:
        needed = left / rate
        if needed <= (freed_at - at).total_seconds():
            return at + timedelta(seconds=needed)
        left += calls - rate * (freed_at - at).total_seconds()
        at = freed_at
    return None


def _told(at: datetime, now: datetime) -> str:
    clock = f"{at:%H:%M} UTC"
    return clock if at.date() == now.date() else f"{clock} on {at:%-d %B}"
