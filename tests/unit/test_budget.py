"""How much of a budget is lent, and when to ask again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retinue.budget import SOON_SECONDS, Ask, Budget, Freed, Grant, Window, decide
from retinue.limits import DAY, MINUTE

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def day(limit: int, *frees: tuple[float, int], reserve: float = 0.0) -> Window:
    return Window(DAY, limit, reserve, [Freed(later(seconds), calls) for seconds, calls in frees])


def lend(*windows: Window, wanted: int = 1000, needed: int = 0, urgent: bool = False, **state: int) -> Grant:
    given = {"others": 0, "holders": 1, "keep": 0} | state
    return decide(windows, Ask(wanted, needed, urgent), now=NOW, **given)


def test_windows_of_a_declaration() -> None:
    assert Budget(per_day=1000, per_minute=60, concurrent=4).windows() == {DAY: 1000, MINUTE: 60, 0: 4}


@pytest.mark.parametrize(
    "wrong", [{"per_day": 0}, {"concurrent": -1}, {"per_hour": 10**10}, {"reserve": 1.0}, {"reserve": float("nan")}]
)
def test_a_budget_that_cannot_be_kept_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a budget needs"):
        Budget(**wrong)  # type: ignore[arg-type] # of several types, each wrong


def test_a_lease_is_a_small_share_of_a_day() -> None:
    assert lend(day(1000)) == Grant(2)
    assert lend(day(100_000)) == Grant(200)


def test_a_lease_of_a_minute_may_be_larger_because_a_minute_forgets() -> None:
    assert lend(Window(MINUTE, 1000, 0.0)) == Grant(20)


def test_several_windows_give_the_least_of_them() -> None:
    assert lend(day(100_000), Window(MINUTE, 100, 0.0)) == Grant(2)


def test_what_is_kept_counts_towards_the_lease() -> None:
    assert lend(day(1000), keep=1) == Grant(1)
    assert lend(day(1000), keep=2) == Grant(0)


def test_many_holders_get_less_when_little_is_left() -> None:
    assert lend(day(100_000, (50, 99_960)), holders=4) == Grant(5)


def test_the_last_calls_go_out_one_by_one() -> None:
    assert lend(day(100_000, (50, 99_997)), holders=4) == Grant(1)


def test_a_large_call_gets_what_it_needs_at_once() -> None:
    assert lend(day(1000), needed=20) == Grant(20)


def test_what_is_spent_waits_until_enough_has_left_the_window() -> None:
    spent = day(1000, (100, 5), (200, 20), (300, 975))
    assert lend(spent, needed=1) == Grant(0, later(200)), "5 calls are not worth waking for"


def test_what_others_hold_may_come_back_soon() -> None:
    assert lend(day(1000, (9000, 998)), others=2, needed=1) == Grant(0, later(SOON_SECONDS))


def test_the_longest_wait_of_several_windows_counts() -> None:
    minute = Window(MINUTE, 10, 0.0, [Freed(later(30), 10)])
    assert lend(day(10, (5000, 10)), minute, needed=1) == Grant(0, later(5000))


def test_the_reserve_is_for_urgent_calls_alone() -> None:
    window = day(1000, (5000, 900), reserve=0.1)
    assert lend(window, needed=1) == Grant(0, later(5000))
    assert lend(window, needed=1, wanted=1, urgent=True) == Grant(1)
    assert lend(day(1000, (5000, 1000), reserve=0.1), needed=1, urgent=True).calls == 0


def test_a_call_larger_than_its_budget_names_the_time_when_all_is_free() -> None:
    assert lend(day(10, (100, 4)), needed=11) == Grant(0, later(100))
    assert lend(day(10), needed=11) == Grant(0, later(DAY))


@given(
    limit=st.integers(1, 5000),
    spent=st.integers(0, 5000),
    others=st.integers(0, 500),
    keep=st.integers(0, 500),
    wanted=st.integers(0, 500),
    needed=st.integers(0, 50),
    holders=st.integers(1, 20),
)
def test_a_limit_is_never_passed(
    limit: int, spent: int, others: int, keep: int, wanted: int, needed: int, holders: int
) -> None:
    grant = lend(day(limit, (60, spent)), others=others, keep=keep, wanted=wanted, needed=needed, holders=holders)
    assert grant.calls >= 0
    assert grant.calls == 0 or spent + others + keep + grant.calls <= limit
    assert grant.calls == 0 or grant.calls + keep >= needed
