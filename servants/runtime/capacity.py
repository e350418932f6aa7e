"""How much more work this process may hold."""

from __future__ import annotations

import threading

from servants.runtime.held import HeldJobs
from servants.runtime.rate import RateMeter

#: Work held beyond the slots, in seconds of this process's rate, so that slots do not idle between two receives.
AHEAD_SECONDS = 0.15


class Capacity:
    """The slots and a little ahead, less what is held already."""

    def __init__(self, slots: int, meter: RateMeter, held: HeldJobs) -> None:
        self._slots = slots
        self._meter = meter
        self._held = held

    def room(self) -> int:
        """Jobs that may still be taken; can be negative, for a message may bring more than there was room for."""
        return self._slots + int((self._meter.jobs_per_second or 0.0) * AHEAD_SECONDS) - len(self._held)

    def wait_for_room(self, stopped: threading.Event) -> int:
        """Wait until there is room or `stopped` is set and `wake` was called; 0 when stopped."""
        with self._held.changed:
            self._held.changed.wait_for(lambda: stopped.is_set() or self.room() > 0)
        return 0 if stopped.is_set() else self.room()

    def wake(self) -> None:
        """Let a waiter look again."""
        with self._held.changed:
            self._held.changed.notify_all()
