from __future__ import annotations

import pytest

from servants.system.bulk import Pace


class Clock:
    """Time that passes when somebody waits, or is told to; whoever waits is not asked to stop."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stops = False

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        return self.stops


@pytest.mark.parametrize("rate", [0.5, 10, 500])
def test_pages_take_as_long_as_their_jobs_at_the_rate(rate: float) -> None:
    clock = Clock()
    pace = Pace(rate, clock)
    for _ in range(20):
        clock.now += min(0.5, 3 / rate)  # the page's own work
        assert not pace.wait(10, clock)
    assert clock.now - 100 == pytest.approx(200 / rate)


def test_pages_without_a_job_cost_nothing() -> None:
    clock = Clock()
    Pace(1, clock).wait(0, clock)
    assert clock.now == 100


def test_a_slow_database_is_not_made_up_for_by_a_burst() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    clock.now += 60
    pace.wait(10, clock)
    assert clock.now == 160
    pace.wait(10, clock)
    assert clock.now == 161


def test_a_wait_ends_when_the_job_is_asked_to_stop() -> None:
    clock = Clock()
    clock.stops = True
    assert Pace(1, clock).wait(5, clock)
