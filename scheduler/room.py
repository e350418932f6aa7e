"""How much dispatch may put on the queues: enough to keep the servants busy, and no more."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from infra.queues.body import MAX_IDS_PER_MESSAGE

#: Work sent ahead of the slots, in seconds of the servants' rate: it covers the way through the queue.
AHEAD_SECONDS = 0.4

#: The most work one message carries, in seconds of one servant's rate: an idle servant never waits behind a hoard.
MESSAGE_SECONDS = 0.2

#: Jobs sent to the queue by one pass for one type.
MAX_PER_PASS = 4000


@dataclass(frozen=True, slots=True)
class Room:
    """One type's live servants and what they have in flight. `rate` is jobs a second of all servants together."""

    type: str
    slots: int
    rate: float
    servants: int
    in_flight: int

    @property
    def jobs(self) -> int:
        """Jobs that may be dispatched now."""
        ahead = max(self.servants, math.ceil(self.rate * AHEAD_SECONDS))
        return max(0, min(MAX_PER_PASS, self.slots + ahead - self.in_flight))

    @property
    def ids_per_message(self) -> int:
        """How many IDs one message may carry."""
        return max(1, min(MAX_IDS_PER_MESSAGE, int(self.rate / self.servants * MESSAGE_SECONDS)))


def shares(room: int, lanes: int) -> Iterator[int]:
    """`room` split evenly over that many lanes, at least 1 each: a busy lane takes no more than its part of a pass."""
    each, extra = divmod(room, lanes)
    yield from (max(1, each + (1 if n < extra else 0)) for n in range(lanes))
