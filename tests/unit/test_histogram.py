"""The buckets that all durations are counted by, and what is read from the counts."""

from __future__ import annotations

import random

import pytest

from retinue.histogram import BOUNDS, BUCKETS, bucket_of, quantile


def counted(durations: list[float]) -> list[int]:
    counts = [0] * BUCKETS
    for seconds in durations:
        counts[bucket_of(seconds)] += 1
    return counts


def test_the_bounds_rise() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (86_400, 19), (86_401, 20)])
def test_a_bucket_ends_at_its_bound(seconds: float, bucket: int) -> None:
    assert bucket_of(seconds) == bucket


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile([0] * BUCKETS, 0.5) is None


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_quantile_lies_in_the_bucket_of_the_true_one(share: float) -> None:
    draw = random.Random(7)  # noqa: S311 - the same numbers each time
    durations = [draw.lognormvariate(-1, 2) for _ in range(10_000)]
    true = sorted(durations)[int(share * len(durations))]
    estimate = quantile(counted(durations), share)
    assert estimate is not None
    assert abs(bucket_of(estimate) - bucket_of(true)) <= 1


def test_within_a_bucket_durations_are_evenly_spread() -> None:
    assert quantile(counted([0.7] * 10), 0.5) == pytest.approx(0.75)
    assert quantile(counted([0.7] * 10), 1.0) == pytest.approx(1.0)


def test_what_is_longer_than_every_bound_counts_as_the_last() -> None:
    assert quantile(counted([1e9]), 0.5) == BOUNDS[-1]
