"""Until when a long job works before it puts itself back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of a clock that counts seconds."""

    end: float
    clock: Callable[[], float] = monotonic

    @classmethod
    def after(cls, seconds: float, *, clock: Callable[[], float] = monotonic) -> Self:
        """So many seconds from now."""
        return cls(clock() + seconds, clock)

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return self.clock() >= self.end
