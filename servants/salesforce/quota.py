"""How many calls a history costs, and over how many days they are spread. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: Rows of one page of a REST query, at most ("Query Options Header").
REST_ROWS = 2000

#: Rows of one answer of the Bulk API.
BULK_ROWS = 50_000

#: Calls of one Bulk query beside its answers: to make it, to ask whether it is done, to delete it.
BULK_OVERHEAD = 12

#: What of a day's calls a history may use: increments go on beside it.
HISTORY_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Estimate:
    """What reading a history takes. `days` is 1 where it is read at once."""

    calls: int
    per_day: int
    days: int

    @property
    def sentence(self) -> str:
        """What a person is told in advance."""
        took = f"about {self.calls:,} API calls"
        if self.days == 1:
            return f"The history takes {took}: it is read at once."
        return f"The history takes {took}, of which {self.per_day:,} may be made in a day: it takes {self.days} days."


def calls_for(rows: int, *, bulk: bool) -> int:
    """How many calls it takes to read so many rows."""
    if bulk:
        return BULK_OVERHEAD + math.ceil(rows / BULK_ROWS)
    return max(1, math.ceil(rows / REST_ROWS))


def estimate(costs: Iterable[int], *, per_day: int) -> Estimate:
    """What it takes to make so many calls where so many are free in a day."""
    calls = sum(costs)
    allowed = max(1, int(per_day * HISTORY_SHARE))
    return Estimate(calls, allowed, max(1, math.ceil(calls / allowed)))


def spread(costs: Sequence[int], *, per_day: int, now: datetime) -> list[datetime | None]:
    """When each part of a history is due, in their order; None is at once."""
    allowed = max(1, int(per_day * HISTORY_SHARE))
    moments: list[datetime | None] = []
    used = 0
    for cost in costs:
        day = used // allowed
        moments.append(now + timedelta(days=day) if day else None)
        used += cost
    return moments
