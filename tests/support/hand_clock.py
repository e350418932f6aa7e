"""A clock that a test moves by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class HandClock:
    """Stands still until `advance`."""

    def __init__(self) -> None:
        self._seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 8, tzinfo=UTC) + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
