"""Being asked to stop, at a moment that a test chooses, and waits that take no time."""

from __future__ import annotations

from collections.abc import Callable

from retinue.job import Cancellation
from retinue.testing.clock import FakeClock


class FakeCancellation(Cancellation):
    """A job's `cancelled` under a fake clock: a wait lets the clock go on and returns at once.

    Each look (`is_set`, `wait`, `job.stop_if_cancelled()`) is counted; `on_look(looks)` is told before it is answered.
    """

    __slots__ = ("_clock", "_looks", "_on_look")

    def __init__(self, clock: FakeClock, on_look: Callable[[int], None]) -> None:
        super().__init__()
        self._clock = clock
        self._on_look = on_look
        self._looks = 0

    def is_set(self) -> bool:
        self._look()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Let `timeout` seconds pass on the fake clock, unless the job is asked to stop.

        Raises:
            RuntimeError: the wait has no end.
        """
        self._look()
        if self.reason:
            return True
        if timeout is None:
            raise RuntimeError("job.cancelled.wait() without a time limit would never return: nobody asks it to stop")
        self._clock.advance(timeout)
        self._look()
        return bool(self.reason)

    def _look(self) -> None:
        self._looks += 1
        self._on_look(self._looks)
