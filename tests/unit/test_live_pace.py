"""How often looks may be made that take so long."""

from __future__ import annotations

import pytest

from manager.live.pace import Pace


class Times:
    """The time, and what this thread has used of it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.used = 0.0

    def look(self, pace: Pace, seconds: float) -> None:
        with pace.paid():
            self.now += seconds
            self.used += seconds


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def pace(times: Times) -> Pace:
    return Pace(0.05, 1.0, clock=lambda: times.now, used=lambda: times.used)


def test_looks_that_are_due_take_their_share_and_no_more(times: Times, pace: Pace) -> None:
    begun, looks = times.now, 0
    while times.now < begun + 1000:
        times.now += max(1, pace.until_due())
        times.look(pace, 0.15)
        looks += 1

    # What was saved at the beginning is spent besides.
    assert times.used / (times.now - begun) == pytest.approx(0.05, rel=0.02)
    assert looks == pytest.approx(1000 * 0.05 / 0.15, rel=0.02)


def test_short_looks_need_not_wait(times: Times, pace: Pace) -> None:
    for _ in range(100):
        times.look(pace, 0.01)
        times.now += 1
        assert pace.until_due() == 0


def test_what_happens_is_looked_at_at_once_also_after_long_looks(times: Times, pace: Pace) -> None:
    for _ in range(50):
        times.now += pace.until_due()
        times.look(pace, 0.15)
    assert pace.until_due() > 1

    for _ in range(3):
        assert pace.until_asked() == 0
        times.look(pace, 0.15)


def test_whoever_asks_all_the_time_waits_as_well(times: Times, pace: Pace) -> None:
    for _ in range(100):
        times.now += pace.until_asked()
        times.look(pace, 0.15)
    assert 1.0 + (times.now - 100) * 0.05 == pytest.approx(times.used, abs=0.2)


def test_a_look_that_fails_is_paid_as_well(times: Times, pace: Pace) -> None:
    def fail() -> None:
        times.used += 0.8
        raise RuntimeError

    with pytest.raises(RuntimeError), pace.paid():
        fail()
    assert pace.until_due() == pytest.approx(0.3 / 0.05)
