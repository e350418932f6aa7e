"""Histograms of durations: one set of bounds for everything Retinue measures, and what can be read from the counts.

The database's figures (`infra.postgres.figures`) and the metrics of every process use the same bounds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

#: Upper bounds of the buckets, in seconds; one more bucket holds what is longer than the last of them.
BOUNDS: tuple[float, ...] = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
    *(2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
)

#: Counts of one histogram.
BUCKETS = len(BOUNDS) + 1


def bucket_of(seconds: float) -> int:
    """The bucket, counted from 0, that a duration falls into."""
    return bisect_left(BOUNDS, seconds)


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The duration that `share` (0 to 1) of those counted do not exceed, in seconds; None where nothing was counted.

    Within a bucket the durations are taken as evenly spread. What fell beyond the last bound counts as that bound, as
    in Prometheus' `histogram_quantile`.
    """
    wanted, below = share * sum(counts), 0
    if not any(counts):
        return None
    for bucket, count in enumerate(counts):
        if count and below + count >= wanted:
            return _within(bucket, (wanted - below) / count)
        below += count
    return BOUNDS[-1]


def _within(bucket: int, share: float) -> float:
    if bucket == len(BOUNDS):
        return BOUNDS[-1]
    lower = BOUNDS[bucket - 1] if bucket else 0.0
    return lower + (BOUNDS[bucket] - lower) * max(0.0, share)
