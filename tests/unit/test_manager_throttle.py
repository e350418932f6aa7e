"""Guessing becomes slow; knowing does not."""

from __future__ import annotations

import pytest

from manager.throttle import FORGET_SECONDS, FREE_FAILURES, MAX_ADDRESSES, MAX_WAIT_SECONDS, Throttle
from tests.support.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def throttle(clock: HandClock) -> Throttle:
    return Throttle(clock)


def fail(throttle: Throttle, times: int, address: str = "a") -> None:
    for _ in range(times):
        throttle.count_failure(address)


def test_the_first_failures_cost_nothing(throttle: Throttle) -> None:
    fail(throttle, FREE_FAILURES - 1)

    assert throttle.wait_seconds("a") == 0


def test_each_further_failure_doubles_the_wait_up_to_a_minute(throttle: Throttle) -> None:
    fail(throttle, FREE_FAILURES)
    waits = [throttle.wait_seconds("a")]
    for _ in range(8):
        fail(throttle, 1)
        waits.append(throttle.wait_seconds("a"))

    assert waits == [1, 2, 4, 8, 16, 32, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS]


def test_the_wait_passes(throttle: Throttle, clock: HandClock) -> None:
    fail(throttle, FREE_FAILURES + 2)
    clock.advance(3)
    assert throttle.wait_seconds("a") == 1
    clock.advance(1)
    assert throttle.wait_seconds("a") == 0


def test_others_do_not_wait(throttle: Throttle) -> None:
    fail(throttle, 20)

    assert throttle.wait_seconds("b") == 0


def test_the_right_password_forgives(throttle: Throttle) -> None:
    fail(throttle, 20)
    throttle.forgive("a")

    assert throttle.wait_seconds("a") == 0


def test_a_quiet_address_starts_afresh(throttle: Throttle, clock: HandClock) -> None:
    fail(throttle, 20)
    clock.advance(FORGET_SECONDS)
    fail(throttle, 1)

    assert throttle.wait_seconds("a") == 0


def test_it_remembers_only_so_many(throttle: Throttle) -> None:
    fail(throttle, 20, "first")
    for number in range(MAX_ADDRESSES):
        throttle.count_failure(str(number))

    assert throttle.wait_seconds("first") == 0
