"""What the lanes' jobs have used of this process's time, for the next heartbeat to report.

A lane was charged for each job at dispatch, with what its jobs usually take. Reported is the difference: when a job
ends, and while a long one runs, so that its lane does not get more meanwhile as if it had used nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from servants.runtime.held import HeldJob

#: Differences that add up to less than this wait for the next report, in seconds.
LEAST_REPORT_SECONDS = 0.01


class LaneUse(NamedTuple):
    """What one lane used beyond what it was charged with, and how long how many of its jobs have run; in seconds."""

    lane: str
    charge: float
    run_seconds: float
    jobs: int


@dataclass(slots=True)
class _Sum:
    charge: float = 0.0
    run_seconds: float = 0.0
    jobs: int = 0

    def add(self, charge: float, run_seconds: float, jobs: int) -> None:
        self.charge += charge
        self.run_seconds += run_seconds
        self.jobs += jobs


class Charges:
    """Adds up per lane; any thread may add."""

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._sums: dict[str, _Sum] = {}

    def ended(self, held: HeldJob, run_seconds: float) -> None:
        """A job has run that long."""
        self._add(held.facts.lane, run_seconds - held.facts.charged_seconds - held.reported, run_seconds, 1)

    def unused(self, held: HeldJob) -> None:
        """A job goes back that never began."""
        self._add(held.facts.lane, -held.facts.charged_seconds, 0.0, 0)

    def running(self, jobs: Iterable[HeldJob], now: float) -> None:
        """Long jobs have used this much so far."""
        for held in jobs:
            beyond = now - (held.started_at or now) - held.facts.charged_seconds - held.reported
            if beyond > LEAST_REPORT_SECONDS:
                held.reported += beyond
                self._add(held.facts.lane, beyond, 0.0, 0)

    def take(self) -> list[LaneUse]:
        """What is worth a report; the rest stays for the next."""
        with self._adding:
            taken = [lane for lane, used in self._sums.items() if abs(used.charge) >= LEAST_REPORT_SECONDS]
            sums = [(lane, self._sums.pop(lane)) for lane in taken]
        return [LaneUse(lane, used.charge, used.run_seconds, used.jobs) for lane, used in sums]

    def give_back(self, uses: Sequence[LaneUse]) -> None:
        """The report failed."""
        for use in uses:
            self._add(*use)

    def _add(self, lane: str, charge: float, run_seconds: float, jobs: int) -> None:
        with self._adding:
            self._sums.setdefault(lane, _Sum()).add(charge, run_seconds, jobs)
