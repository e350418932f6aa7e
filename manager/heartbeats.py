"""How old a heartbeat may be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infra.settings import Settings

#: A scheduler that has been silent for longer does not count as alive, in seconds.
SCHEDULER_LIVE_SECONDS = 15


class Heartbeat(StrEnum):
    """What its age says about a process."""

    FRESH = "fresh"
    LATE = "late"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Patience:
    """From which ages on a heartbeat is late, and the process given up; in seconds."""

    late: float
    lost: float

    @classmethod
    def with_servants(cls, settings: Settings) -> Patience:
        """Late after two missed beats; lost when its leases have run out, so that its jobs are rescued."""
        return cls(late=2 * settings.heartbeat_seconds, lost=settings.lease_seconds)

    @classmethod
    def with_schedulers(cls) -> Patience:
        """They beat every 5 s."""
        return cls(late=10, lost=SCHEDULER_LIVE_SECONDS)

    def judge(self, age_seconds: float) -> Heartbeat:
        """What a heartbeat of this age is."""
        if age_seconds > self.lost:
            return Heartbeat.LOST
        return Heartbeat.LATE if age_seconds > self.late else Heartbeat.FRESH
