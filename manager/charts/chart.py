"""What a chart shows, whatever it is drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Value = float | int | None


class Kind(StrEnum):
    """How the lines are drawn."""

    LINES = "lines"
    #: One upon the other: what they come to together.
    BARS = "bars"


class Unit(StrEnum):
    """What the values are; it decides how they are written."""

    JOBS = "jobs"
    SECONDS = "seconds"
    BYTES = "bytes"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Line:
    """One series; None where nothing was measured. `tone` is bar, good, warn, bad, or one of 1 to 4."""

    name: str
    tone: str
    values: Sequence[Value]

    @property
    def last(self) -> Value:
        """The newest that was measured."""
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same moments, oldest first."""

    name: str
    title: str
    unit: Unit
    at: Sequence[datetime]
    lines: Sequence[Line]
    kind: Kind = Kind.LINES
    step_seconds: float = 60

    @property
    def top(self) -> float:
        """The highest value that is drawn."""
        if self.kind is Kind.BARS:
            return max((sum(values) for values in self._columns()), default=0)
        return max((value for line in self.lines for value in line.values if value is not None), default=0)

    def _columns(self) -> list[list[float]]:
        return [[value or 0 for value in column] for column in zip(*(line.values for line in self.lines), strict=True)]

    @property
    def rows(self) -> list[tuple[datetime, list[Value]]]:
        """The same as a table, the newest first; without moments at which there was nothing."""
        columns = zip(*(line.values for line in self.lines), strict=True)
        rows = [(at, list(values)) for at, values in zip(self.at, columns, strict=True) if any(values)]
        return rows[::-1]


def chart_json(chart: Chart) -> dict[str, Any]:
    """What charts.js draws."""
    return {
        "name": chart.name,
        "title": chart.title,
        "unit": chart.unit,
        "kind": chart.kind,
        "step": chart.step_seconds,
        "at": [int(at.timestamp()) for at in chart.at],
        "lines": [{"name": line.name, "tone": line.tone, "values": list(line.values)} for line in chart.lines],
    }
