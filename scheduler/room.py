"""How much dispatch may put on the queues: enough to keep the servants busy, and no more."""

from __future__ import annotations

import math
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
    type_limit: int | None = None
    #: Whether this scheduler may dispatch it now.
    ours: bool = True

    @property
    def jobs(self) -> int:
        """Jobs that may be dispatched now."""
        if not self.ours:
            return 0
        ahead = max(self.servants, math.ceil(self.rate * AHEAD_SECONDS))
        allowed = self.slots + ahead if self.type_limit is None else min(self.type_limit, self.slots + ahead)
        return max(0, min(MAX_PER_PASS, allowed - self.in_flight))

    @property
    def mean_seconds(self) -> float:
        """How long a job of this type runs, as the servants' rate has it."""
        return self.slots / self.rate if self.rate > 0 else 1.0

    @property
    def ids_per_message(self) -> int:
        """How many IDs one message may carry."""
        return max(1, min(MAX_IDS_PER_MESSAGE, int(self.rate / self.servants * MESSAGE_SECONDS)))
