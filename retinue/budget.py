"""Budgets: how many calls a connection may make in each of its windows, and how they are lent to servants. Pure.

A window is rolling: what was spent in a bucket counts until the bucket's end is a whole window ago, which is never too
early. What a servant holds under a lease counts as spent until it says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from retinue.limits import DAY, HOUR, MAX_COUNT, MINUTE

#: The window that stands for calls at the same time.
CONCURRENT = 0

#: Parts that a window is counted in: a call weighs on its window for up to this share of it too long.
BUCKETS = 48

#: The share of a limit that one servant may hold at once, which is what its sudden death costs: of a day hardly
#: anything, of a minute what the next minute gives back.
LONG_SHARE, SHORT_SHARE = 0.002, 0.02

#: When to look again after what is left that other servants hold, in seconds: idle ones give it back by then.
SOON_SECONDS = 2.0

#: A budget that was used up is used again once this share of it is free, not for each call that falls out.
WORTH_WAKING = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a connection may do: calls (or the provider's units) in each window, and calls at the same time.

    `reserve` is the share of every rate that only urgent calls may use.
    """

    per_day: int | None = None
    per_hour: int | None = None
    per_minute: int | None = None
    concurrent: int | None = None
    reserve: float = 0.0

    def __post_init__(self) -> None:
        if not all(1 <= limit <= MAX_COUNT for limit in self.windows().values()) or not 0 <= self.reserve < 1:
            raise ValueError(f"a budget needs limits of 1 to {MAX_COUNT} and 0 <= reserve < 1, got {self}")

    def windows(self) -> dict[int, int]:
        """Limits by the length of their window in seconds; `CONCURRENT` stands for calls at the same time."""
        named = {DAY: self.per_day, HOUR: self.per_hour, MINUTE: self.per_minute, CONCURRENT: self.concurrent}
        return {seconds: limit for seconds, limit in named.items() if limit is not None}


class Freed(NamedTuple):
    """Calls that stop counting at this moment."""

    at: datetime
    calls: int


class Window(NamedTuple):
    """One rate and what weighs on it; `frees` is when that ends, the earliest first."""

    seconds: int
    limit: int
    reserve: float
    frees: Sequence[Freed] = ()

    @property
    def spent(self) -> int:
        return sum(freed.calls for freed in self.frees)

    def ceiling(self, *, urgent: bool) -> int:
        """How much may be spent."""
        return self.limit if urgent else self.limit - math.ceil(self.limit * self.reserve)

    @property
    def lease_size(self) -> int:
        """The most that one servant holds ahead of need."""
        return max(1, int(self.limit * (SHORT_SHARE if self.seconds <= HOUR else LONG_SHARE)))


class Ask(NamedTuple):
    """What a servant wants: `wanted` calls ahead of need, and at once `needed` for the largest call that waits."""

    wanted: int = 0
    needed: int = 0
    urgent: bool = False


class Grant(NamedTuple):
    """What it gets. `reset_at` is when to ask again where a call that waits gets nothing."""

    calls: int
    reset_at: datetime | None = None


def decide(windows: Sequence[Window], ask: Ask, *, others: int, holders: int, keep: int, now: datetime) -> Grant:
    """What to lend.

    `others` is what other servants hold under leases, `holders` how many servants there are with this one, `keep`
    what this one holds already.
    """
    needed = max(0, ask.needed - keep)
    free = [window.ceiling(urgent=ask.urgent) - window.spent - others - keep for window in windows]
    if any(rest < needed for rest in free):
        resets = [_reset(w, needed - rest, others, now) for w, rest in zip(windows, free, strict=True) if rest < needed]
        return Grant(0, max(resets))
    sizes = [_size(w, rest, holders, keep) for w, rest in zip(windows, free, strict=True)]
    return Grant(max(needed, min([*sizes, ask.wanted])))


def _size(window: Window, free: int, holders: int, keep: int) -> int:
    """Small when little is left or many share it; the last calls go out one by one."""
    fair = max(1, free // (2 * holders))
    return max(0, min(free, window.lease_size - keep, fair))


def _reset(window: Window, lacking: int, others: int, now: datetime) -> datetime:
    """When so much will be free that it is worth looking again."""
    if lacking <= others:
        return now + timedelta(seconds=SOON_SECONDS)
    worth = max(lacking, math.ceil(window.limit * WORTH_WAKING))
    for freed in window.frees:
        worth -= freed.calls
        if worth <= 0:
            return freed.at
    # A single call larger than the whole budget: it is looked at again when everything is free.
    return window.frees[-1].at if window.frees else now + timedelta(seconds=window.seconds)
