"""What a scenario is asked, and what it answers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

#: The name that Retinue's own figures go by.
RETINUE = "Retinue"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much to measure; the small forms show that it works, and nothing more."""

    #: Runs of each measurement; the median counts.
    runs: int = 3
    #: Seconds that one drain, one loop of enqueues and the like should take.
    seconds: float = 5
    #: Of the large scenarios' sizes: 10 million jobs, 1 million schedules.
    scale: float = 1
    #: Names (or parts of names) of the peers that take part; None is all of them.
    peers: tuple[str, ...] | None = None
    #: Where the peers' environments are kept.
    home: Path = Path(".retinue/bench")

    def sized(self, full: int, *, least: int) -> int:
        """A large scenario's size at this scale."""
        return max(round(full * self.scale), least)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured quantity of one contestant, a value for each run."""

    who: str
    what: str
    unit: str
    values: tuple[float, ...]
    #: What is asked of it, if anything.
    goal: float | None = None
    better: Literal["more", "less"] = "more"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.median >= self.goal if self.better == "more" else self.median <= self.goal


@dataclass(frozen=True)
class Section:
    """The answer of one scenario."""

    figures: Sequence[Figure]
    #: Who took part, and how it was set.
    settings: dict[str, str] = field(default_factory=dict)
    #: Who did not, and why.
    missing: dict[str, str] = field(default_factory=dict)


def median_of(figures: Sequence[Figure], *, who: str, what: str) -> float | None:
    """The median of one figure, None when it was not measured."""
    return next((figure.median for figure in figures if (figure.who, figure.what) == (who, what)), None)
