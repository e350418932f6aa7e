"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: When a fake clock begins unless it is told: a fixed moment, so that a test says the same each day.
BEGINNING = datetime(2030, 1, 1, 12, tzinfo=UTC)


class FakeClock:
    """A `retinue.clock.Clock` for tests."""

    def __init__(self, start: datetime = BEGINNING) -> None:
        if start.tzinfo is None:
            raise ValueError(f"FakeClock needs a time zone, got {start.isoformat()}")
        self._start = start.astimezone(UTC)
        self._passed = timedelta(0)

    def now(self) -> datetime:
        return self._start + self._passed

    def monotonic(self) -> float:
        return self._passed.total_seconds()

    def advance(self, by: timedelta | float) -> None:
        """Let time pass; a number is seconds.

        Raises:
            ValueError: time does not run backwards.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise ValueError(f"time does not run backwards, got {step}")
        self._passed += step

    def advance_to(self, moment: datetime) -> None:
        """Let it be `moment`; nothing happens if that has passed."""
        self.advance(max(moment - self.now(), timedelta(0)))
