"""What holds a lane back: a person's pause, an incident, an empty budget, an open breaker, or a head that failed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class HoldKind(StrEnum):
    """Why a lane is held; a lane may be held for several reasons at once."""

    PAUSE = "pause"  # by a person, until a person resumes it
    INCIDENT = "incident"  # the integration is broken, until that is mended
    BUDGET = "budget"  # the provider's calls are used up, until the reset
    BREAKER = "breaker"  # the provider keeps failing, until a probe succeeds
    ORDER = "order"  # the head of a strict order has failed, until a person decides


class Hold(NamedTuple):
    """A reason to hold a lane: `scope` is what it is about (`connection:12`), `until` None is until it is released."""

    kind: HoldKind
    scope: str
    until: datetime | None
    reason: str
