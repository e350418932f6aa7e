"""Retry policies: when the next attempt comes, if there is one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

#: Draws a number between the two given, both in seconds.
Draw = Callable[[float, float], float]

# Spreads load; nothing secret depends on it.
_draw: Draw = random.Random().uniform  # noqa: S311 - jitter, not cryptography


class RetryPolicy(Protocol):
    """How often a job is tried, and how long it waits in between."""

    @property
    def attempts(self) -> int:
        """How many attempts may fail before the job does."""

    def delay(self, failures: int) -> float:
        """Seconds to wait after the `failures`-th failed attempt, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Exponential backoff with full jitter: a random wait between 0 and base × 2^(failures-1), at most `cap` seconds.

    Full jitter spreads a thundering herd best ("Exponential Backoff And Jitter", AWS Architecture Blog). A wait is
    never below `floor`, so that a failing job cannot spin.
    """

    base: float = 5.0
    cap: float = 3600.0
    attempts: int = 10
    floor: float = 0.5
    draw: Draw = _draw

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0 <= self.floor <= self.base <= self.cap:
            raise ValueError(
                f"Exponential needs attempts >= 1 and 0 <= floor <= base <= cap, got attempts={self.attempts}, "
                f"floor={self.floor}, base={self.base}, cap={self.cap}"
            )

    def ceiling(self, failures: int) -> float:
        """The longest wait after that many failures, in seconds."""
        doublings = min(failures - 1, 60)
        return float(min(self.cap, self.base * 2**doublings))

    def delay(self, failures: int) -> float:
        return max(self.floor, self.draw(0.0, self.ceiling(failures)))

    def bounds(self, failures: int) -> tuple[float, float]:
        """The shortest and the longest wait after that many failures, in seconds."""
        return self.floor, max(self.floor, self.ceiling(failures))


@dataclass(frozen=True, slots=True)
class NoRetry:
    """The first failure is the last."""

    attempts: int = 1

    def delay(self, failures: int) -> float:
        return 0.0

    def bounds(self, failures: int) -> tuple[float, float]:
        return 0.0, 0.0


@runtime_checkable
class Foreseeable(Protocol):
    """A retry policy that can say how long its waits may be before it draws them."""

    def bounds(self, failures: int) -> tuple[float, float]:
        """The shortest and the longest wait after that many failures, in seconds."""


@dataclass(frozen=True, slots=True)
class PlannedTry:
    """One coming attempt: its number and the earliest and latest start, in seconds from now."""

    number: int
    earliest: float
    latest: float


def preview(policy: RetryPolicy, failures: int = 0) -> list[PlannedTry]:
    """The attempts still to come after `failures` have failed, if each of them fails at once.

    The first of them starts when the job is due (0 seconds); each later one waits for its backoff. Of a policy that
    has no `bounds` only the first one's time is known, and only that one is listed.
    """
    known = policy.attempts if isinstance(policy, Foreseeable) else min(policy.attempts, failures + 1)
    earliest = latest = 0.0
    tries = []
    for number in range(failures + 1, known + 1):
        tries.append(PlannedTry(number, earliest, latest))
        shortest, longest = policy.bounds(number) if isinstance(policy, Foreseeable) else (0.0, 0.0)
        earliest += shortest
        latest += longest
    return tries
