"""How many jobs a second this process can do: what dispatch packs messages by."""

from __future__ import annotations

import time

from servants.runtime.held import HeldJobs

#: What one process can settle at best; above this the handler's time no longer matters.
MAX_RATE = 10_000.0

#: Weight of the newest job in the running mean.
_WEIGHT = 0.05


class RateMeter:
    """A running mean of the time one job takes, weighted to the newest.

    A slot whose job runs longer than the mean counts for what it has done so far: after a thousand quick jobs a slow
    one must not pass for quick until it ends, for as long as that takes the process would hoard jobs.
    """

    def __init__(self, slots: int, held: HeldJobs) -> None:
        self._slots = slots
        self._held = held
        self._mean_seconds: float | None = None

    def add(self, run_seconds: float) -> None:
        """Count a job that has ended. The slots may do so at once: one that is overwritten is no loss to a mean."""
        mean = self._mean_seconds
        self._mean_seconds = run_seconds if mean is None else mean + _WEIGHT * (run_seconds - mean)

    @property
    def jobs_per_second(self) -> float | None:
        """None until a job has run."""
        if self._mean_seconds is None:
            return None
        mean, now = max(self._mean_seconds, 1e-6), time.monotonic()
        ages = [now - (held.started_at or now) for held in self._held.running()]
        idle = self._slots - len(ages)
        return min(MAX_RATE, idle / mean + sum(1 / max(mean, age) for age in ages))
