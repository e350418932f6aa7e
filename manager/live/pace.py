"""How often looking may be done, so that it takes a small share of a core, and yet at once where something happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """An account of processor time: a share of each second is paid in, each look is paid from it.

    Looks that are only due leave half of what can be saved; it is for those that something asks for.
    """

    def __init__(
        self,
        share: float,
        saved: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        """`share` of a core; at most `saved` seconds of it are saved up. `used` is this thread's processor time."""
        self._share = share
        self._most = saved
        self._clock, self._used = clock, used
        self._credit, self._paid_at = saved, clock()

    @contextmanager
    def paid(self) -> Iterator[None]:
        """Pay for what is done within."""
        began = self._used()
        try:
            yield
        finally:
            self._credit = self._saved() - (self._used() - began)

    def until_asked(self) -> float:
        """How long a look that something asks for has to wait, in seconds."""
        return self._until(0)

    def until_due(self) -> float:
        """How long one has to wait that nothing asks for, in seconds."""
        return self._until(self._most / 2)

    def _until(self, credit: float) -> float:
        return max(0.0, (credit - self._saved()) / self._share)

    def _saved(self) -> float:
        now = self._clock()
        self._credit = min(self._most, self._credit + (now - self._paid_at) * self._share)
        self._paid_at = now
        return self._credit
