"""One reader's answer, shared by all who ask at about the same time."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from retinue.clock import Clock
from retinue.errors import RetinueError

Value = TypeVar("Value")

#: While someone reads, others are given an answer up to this old rather than made to wait, in seconds.
STALE_SECONDS = 10

#: Where there is none, they wait; a read that has taken this long is not waited for any more, in seconds.
WAIT_SECONDS = 6


class TakesTooLong(RetinueError):
    """What is asked for has been looked at for too long already."""


@dataclass(frozen=True, slots=True)
class _Answer(Generic[Value]):
    at: float
    value: Value | None = None
    error: Exception | None = None

    def give(self) -> Value:
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # it is the reader's own value where there is no error


class Cached(Generic[Value]):
    """Calls `read` at most once in `fresh_seconds`, in one thread at a time. An error is an answer too.

    A database that hangs therefore holds up one of the server's threads for good, and the others for a moment.
    """

    def __init__(self, read: Callable[[], Value], *, fresh_seconds: float, clock: Clock) -> None:
        self._read = read
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._reading = threading.Lock()
        self._reading_since = math.inf
        self._answer: _Answer[Value] | None = None
        self._expired = False

    def expire(self) -> None:
        """What was read until now is old, whatever its age."""
        self._expired = True

    def get(self, *, fresh_seconds: float | None = None) -> Value:
        """The answer, read anew where it has grown old; `fresh_seconds` for who is content with an older one.

        Raises:
            TakesTooLong: another thread reads, and there is nothing to show until it is done.
            Exception: whatever `read` raised.
        """
        answer = self._answer
        fresh = self._fresh_seconds if fresh_seconds is None else fresh_seconds
        if answer is None or self._expired or self._age(answer) >= fresh:
            answer = self._renew(answer)
        return answer.give()

    def _renew(self, old: _Answer[Value] | None) -> _Answer[Value]:
        usable = old if old is not None and self._age(old) <= STALE_SECONDS else None
        if not self._reading.acquire(timeout=0 if usable else self._patience()):
            if usable is None:
                raise TakesTooLong
            return usable
        try:
            if self._answer is None or self._answer is old or self._expired:
                self._answer = self._read_once()
            return self._answer  # read by someone else, where this thread waited
        finally:
            self._reading.release()

    def _patience(self) -> float:
        return max(0.0, min(WAIT_SECONDS, self._reading_since + WAIT_SECONDS - self._clock.monotonic()))

    def _read_once(self) -> _Answer[Value]:
        self._reading_since = self._clock.monotonic()
        self._expired = False  # what happens from here on is not read for sure
        try:
            value = self._read()
        except Exception as error:  # noqa: BLE001 - kept for everyone who asks, and raised to each
            return _Answer(self._clock.monotonic(), error=error)
        finally:
            self._reading_since = math.inf
        return _Answer(self._clock.monotonic(), value=value)

    def _age(self, answer: _Answer[Value]) -> float:
        return self._clock.monotonic() - answer.at
