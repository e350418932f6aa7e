"""Hands back jobs that were taken too early, so that a servant with an idle slot can have them.

How much is taken ahead follows from how long the last jobs took. When slow jobs come after quick ones, more is claimed
than the slots can soon do; what still waits after a while goes back to the table, in its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.logs import get_logger
from infra.loop import PassResult
from servants.runtime.capacity import Capacity
from servants.runtime.held import HeldJob, HeldJobs
from servants.runtime.slots import AnySlots

#: How long a claimed job may wait for a slot before this process counts as too slow for it, in seconds.
PATIENCE_SECONDS = 2.0

log = get_logger(__name__)


class Surplus:
    """Looks at the jobs that wait for a slot each time `look` is called."""

    def __init__(
        self, slots: AnySlots, capacity: Capacity, held: HeldJobs, *, release: Callable[[list[HeldJob]], None]
    ) -> None:
        self._slots = slots
        self._capacity = capacity
        self._held = held
        self._release = release

    def look(self) -> PassResult:
        """Hand back what has waited too long and exceeds what the slots will soon do."""
        waiting = [held for held in self._held.snapshot() if held.started_at is None]
        if not waiting or time.monotonic() - waiting[0].claimed_at < PATIENCE_SECONDS:
            return PassResult()
        surplus = self._slots.take_back(keep=max(0, self._capacity.room() + len(waiting)))
        if surplus:
            log.info("surplus_handed_back", jobs=len(surplus))
            self._release(surplus)
        return PassResult(len(surplus))
