"""When a budget will be used up: against a simulation, and in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from retinue.budget import BUCKETS
from retinue.forecast import Forecast, Spent, forecast
from retinue.limits import DAY, HOUR

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PART = timedelta(seconds=DAY / BUCKETS)


def of_day(*calls: int, limit: int = 5000, reserve: float = 0.0, others: int = 0) -> Forecast:
    """A day whose parts up to now had these calls, the last one the newest."""
    spent = [Spent(NOW - (len(calls) - n) * PART, count) for n, count in enumerate(calls) if count]
    return forecast(seconds=DAY, limit=limit, reserve=reserve, spent=spent, others=others, now=NOW)


def test_nothing_used() -> None:
    assert of_day().words == "0 of the day's 5,000 calls are used."


def test_it_ends_at_the_rate_of_the_last_parts() -> None:
    found = of_day(100, 100)
    assert found.calls_per_hour == 200
    assert found.ends_at is None
    # 4,000 are left: 500 an hour use them in eight hours.
    told = of_day(*[0] * 8, 500, 250, 250)
    assert told.ends_at == NOW + timedelta(hours=8)
    assert told.words == "At this rate the day's 5,000 calls end at 20:00 UTC."


def test_what_falls_out_of_the_window_makes_room() -> None:
    # 47 parts of 100: as much falls out as is used.
    assert of_day(*[100] * 47).words == "4,700 of the day's 5,000 calls are used; at this rate they last."
    assert of_day(*[90] * 40, *[200] * 7).ends_at is not None


def test_the_next_day_is_named() -> None:
    assert of_day(150, 150).words == "At this rate the day's 5,000 calls end at 03:40 UTC on 22 November."


def test_a_reserve_ends_it_earlier_for_most_jobs() -> None:
    found = of_day(500, 500, reserve=0.1)
    assert found.ceiling == 4500
    assert found.words == ("At this rate the day's 5,000 calls but for the 500 kept for urgent ones end at 15:30 UTC.")


def test_all_used() -> None:
    assert of_day(2500, 2500).words == "All of the day's 5,000 calls are used."
    assert of_day(2500, others=2500).words == "All of the day's 5,000 calls are used."
    assert of_day(10, limit=0).share == 1.0


def test_old_use_is_no_rate() -> None:
    assert of_day(500, *[0] * 20).ends_at is None
    assert of_day(500, *[0] * 20).calls_per_hour == 0


@given(
    calls=st.lists(st.integers(0, 300), min_size=1, max_size=BUCKETS),
    limit=st.integers(1, 8000),
    others=st.integers(0, 500),
)
def test_it_agrees_with_a_walk_through_the_window(calls: list[int], limit: int, others: int) -> None:
    found = of_day(*calls, limit=limit, others=others)
    step = timedelta(seconds=60)
    spent = [(NOW - (len(calls) - n) * PART + timedelta(seconds=DAY) + PART, c) for n, c in enumerate(calls)]
    rate = found.calls_per_hour / HOUR
    at, walked = NOW, None
    while at < NOW + timedelta(seconds=DAY) and walked is None:
        weighs = sum(count for freed, count in spent if freed > at) + others
        if weighs + rate * (at - NOW).total_seconds() >= limit:
            walked = at
        at += step
    if walked is None:
        assert found.ends_at is None or found.ends_at > NOW + timedelta(seconds=DAY) - step
    else:
        assert found.ends_at is not None
        assert walked - step <= found.ends_at <= walked
