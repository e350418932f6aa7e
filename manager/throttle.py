"""Slows down whoever guesses passwords."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from retinue.clock import Clock

#: Wrong attempts in a row that an address, or a name, has free unless its throttle says otherwise.
FREE_FAILURES = 5

#: After those each one doubles the wait, up to this, in seconds.
MAX_WAIT_SECONDS = 60

#: An address that has been quiet for this long starts afresh, in seconds.
FORGET_SECONDS = 900

#: Addresses remembered; past that the one that failed longest ago is forgotten.
MAX_ADDRESSES = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: float


class Throttle:
    """Counts failures by address, or by whatever else one fails by, in this process."""

    def __init__(self, clock: Clock, *, free_failures: int = FREE_FAILURES) -> None:
        self._clock = clock
        self._free_failures = free_failures
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """How long this address has to wait before its next attempt; 0 if it may try now."""
        with self._lock:
            failures = self._failures.get(address)
            if failures is None or failures.count < self._free_failures:
                return 0
            wait = min(MAX_WAIT_SECONDS, 2.0 ** (failures.count - self._free_failures))
            return max(0.0, failures.last_at + wait - self._clock.monotonic())

    def count_failure(self, address: str) -> None:
        """Remember a wrong attempt."""
        now = self._clock.monotonic()
        with self._lock:
            earlier = self._failures.pop(address, None)
            recent = earlier is not None and now - earlier.last_at < FORGET_SECONDS
            self._failures[address] = _Failures(earlier.count + 1 if earlier and recent else 1, now)
            while len(self._failures) > MAX_ADDRESSES:
                self._failures.popitem(last=False)

    def forgive(self, address: str) -> None:
        """Forget its failures: it has the password."""
        with self._lock:
            self._failures.pop(address, None)
