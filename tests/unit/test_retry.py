"""Retry policies: waits within their bounds, spread by full jitter, and a preview that tells the truth."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retinue.outcomes import Retry
from retinue.retry import Exponential, NoRetry, preview
from retinue.settlement import settle
from retinue.states import JobState


@st.composite
def policies(draw: st.DrawFn) -> Exponential:
    floor = draw(st.floats(0, 100))
    base = draw(st.floats(floor, 1000))
    cap = draw(st.floats(base, 100_000))
    seed = random.Random(draw(st.integers()))  # noqa: S311 - a reproducible draw
    return Exponential(base=base, cap=cap, attempts=draw(st.integers(1, 80)), floor=floor, draw=seed.uniform)


@given(policies(), st.integers(1, 10_000))
def test_every_wait_is_within_its_bounds(policy: Exponential, failures: int) -> None:
    assert policy.floor <= policy.delay(failures) <= max(policy.floor, policy.ceiling(failures)) <= policy.cap


@given(policies())
def test_ceilings_double_until_the_cap(policy: Exponential) -> None:
    ceilings = [policy.ceiling(failures) for failures in range(1, 40)]
    assert ceilings[0] == policy.base
    assert all(later == min(policy.cap, 2 * earlier) for earlier, later in pairwise(ceilings))


def test_jitter_is_full() -> None:
    asked: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        asked.append((low, high))
        return high / 2

    policy = Exponential(base=10, cap=60, floor=1, draw=draw)
    assert [policy.delay(failures) for failures in (1, 2, 3, 4, 5)] == [5, 10, 20, 30, 30]
    assert asked == [(0, 10), (0, 20), (0, 40), (0, 60), (0, 60)]


def test_a_wait_is_never_below_the_floor() -> None:
    assert Exponential(floor=2, draw=lambda low, _high: low).delay(1) == 2


def test_waits_of_the_built_in_draw_differ() -> None:
    assert len({Exponential(base=100, cap=100).delay(1) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    "rules", [{"attempts": 0}, {"floor": -1}, {"floor": 6}, {"base": 10, "cap": 5}, {"base": -1}, {"cap": float("nan")}]
)
def test_a_policy_that_makes_no_sense_is_refused_with_its_values(rules: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(rules))}="):
        Exponential(**rules)  # type: ignore[arg-type] # the attempts are whole


@given(policies(), st.integers(0, 90))
def test_the_preview_lists_each_coming_attempt(policy: Exponential, failures: int) -> None:
    tries = preview(policy, failures)
    assert [coming.number for coming in tries] == list(range(failures + 1, policy.attempts + 1))
    assert all(coming.earliest <= coming.latest for coming in tries)
    assert tries == [] or (tries[0].earliest, tries[0].latest) == (0, 0)


@given(policies(), st.integers(0, 90))
def test_the_preview_holds_what_really_comes(policy: Exponential, failures: int) -> None:
    """Every attempt fails at once, settled as the runtime does it; each one starts when the preview said it may."""
    now = 0.0
    for coming in preview(policy, failures):
        assert coming.earliest <= now * 1.000001
        assert now <= coming.latest * 1.000001
        settlement = settle(1, coming.number, Retry(), retry=policy, failures=coming.number - 1)
        assert (settlement.state is JobState.FAILED) == (coming.number == policy.attempts)
        now += settlement.delay or 0.0


def test_without_retry_the_first_failure_is_the_last() -> None:
    settlement = settle(1, 1, Retry(), retry=NoRetry(), failures=0)
    assert settlement.state is JobState.FAILED
    assert NoRetry().delay(1) == 0
