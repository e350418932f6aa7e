"""Reading the past: what finished in each minute, hour or day, and how long it ran and waited. Counts no rows.

`scheduler.rollup` makes these figures a minute or two after the fact. Minutes are kept for two days, then hours, then
days: a span that reaches further back than its step starts with coarser figures, each at the start of its hour or day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from infra.postgres.connect import Database
from retinue.histogram import quantile
from retinue.states import JobState

#: The finest step there is.
FINEST = timedelta(minutes=1)

#: The last 24 hours, wherever they are told: what is drawn and what is counted begin at the same step.
DAY, DAY_STEP = timedelta(days=1), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Durations:
    """How long jobs took, in seconds. The percentiles are estimated from `counts` by `retinue.histogram`'s buckets."""

    seconds: float
    counts: Sequence[int]

    @property
    def mean(self) -> float | None:
        """None where none was measured."""
        measured = sum(self.counts)
        return self.seconds / measured if measured else None

    @property
    def p50(self) -> float | None:
        return quantile(self.counts, 0.50)

    @property
    def p95(self) -> float | None:
        return quantile(self.counts, 0.95)

    @property
    def p99(self) -> float | None:
        return quantile(self.counts, 0.99)


@dataclass(frozen=True, slots=True)
class Figure:
    """What finished from `at` until the next figure. `wait` is from when a job was due until its last claim."""

    at: datetime
    jobs: Mapping[JobState, int]
    run: Durations
    wait: Durations


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until just before `until`, in steps that are aligned in UTC; nothing is finer than a minute."""

    since: datetime
    until: datetime
    step: timedelta

    def __post_init__(self) -> None:
        if self.step < FINEST:
            raise ValueError(f"step must be at least a minute, got {self.step}")
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError(f"since and until need a time zone, got {self.since} and {self.until}")

    @classmethod
    def until_now(cls, now: datetime, length: timedelta, step: timedelta) -> Span:
        """So long, in whole steps; the step that goes on is among them."""
        seconds = step.total_seconds()
        end = datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, UTC)
        return cls(end - length, end, step)


def figures(
    database: Database,
    span: Span,
    *,
    type: str | None = None,  # noqa: A002 - the word of the design; the builtin is not needed here
    account_id: int | None = None,
) -> list[Figure]:
    """One figure for each step in which something finished, oldest first; `type` and `account_id` narrow them down.

    Raises:
        DatabaseUnreachable: no connection could be had in time.
    """
    params = {
        "since": span.since,
        "until": span.until,
        "step_seconds": span.step.total_seconds(),
        "type": type,
        "account_id": account_id,
    }
    return list(_figures(database.fetch("read_figures", params)))


def _figures(rows: Sequence[tuple[Any, ...]]) -> Iterator[Figure]:
    for at, states in groupby(rows, key=itemgetter(0)):
        _, names, jobs, run, wait, ran, waited = zip(*states, strict=True)
        counts = dict(zip(map(JobState, names), jobs, strict=True))
        yield Figure(at, counts, Durations(sum(run), _summed(ran)), Durations(sum(wait), _summed(waited)))


def _summed(histograms: Sequence[Sequence[int]]) -> list[int]:
    return [sum(counts) for counts in zip(*histograms, strict=True)]
