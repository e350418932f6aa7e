"""How many jobs a second this process can do: what dispatch packs messages by."""

from __future__ import annotations

#: What one process can settle at best; above this the handler's time no longer matters.
MAX_RATE = 10_000.0

#: Weight of the newest job in the running mean.
_WEIGHT = 0.05


class RateMeter:
    """A running mean of the time one job takes, weighted to the newest. Written by the settling thread only."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._mean_seconds: float | None = None

    def add(self, run_seconds: float) -> None:
        mean = self._mean_seconds
        self._mean_seconds = run_seconds if mean is None else mean + _WEIGHT * (run_seconds - mean)

    @property
    def jobs_per_second(self) -> float | None:
        """None until a job has run."""
        if self._mean_seconds is None:
            return None
        return min(MAX_RATE, self._slots / max(self._mean_seconds, 1e-6))
