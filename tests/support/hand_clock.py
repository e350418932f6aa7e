"""A clock that a test moves by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 8, 16, 40, tzinfo=UTC)


class HandClock:
    """Stands still until `advance`."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._seconds = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds
