"""The spans of time that one can look at, each in steps that a chart has room for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.postgres.figures import DAY, DAY_STEP, Span
from retinue.errors import NotFound


@dataclass(frozen=True, slots=True)
class Choice:
    """A span that ends now."""

    name: str
    length: timedelta
    step: timedelta
    words: str

    def until(self, now: datetime) -> Span:
        """The span itself, in whole steps; the step that goes on is among them."""
        return Span.until_now(now, self.length, self.step)

    def moments(self, now: datetime) -> list[datetime]:
        """When each step begins."""
        span = self.until(now)
        return [span.since + n * self.step for n in range(self.length // self.step)]


SPANS = {
    choice.name: choice
    for choice in (
        Choice("hour", timedelta(hours=1), timedelta(minutes=1), "last hour"),
        Choice("day", DAY, DAY_STEP, "last 24 hours"),
        Choice("week", timedelta(days=7), timedelta(hours=2), "last 7 days"),
    )
}


def chosen_span(given: str | None, default: str = "day") -> Choice:
    """The one that an address names.

    Raises:
        NotFound: there is no such one.
    """
    choice = SPANS.get(given or default)
    if choice is None:
        raise NotFound(f"There is no span {str(given)[:40]!r}. There are: {', '.join(SPANS)}.")
    return choice
