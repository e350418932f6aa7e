"""Deadlines of long jobs."""

from __future__ import annotations

from servants.deadline import Deadline
from tests.support.hand_clock import HandClock


def test_a_deadline_passes_at_its_moment() -> None:
    clock = HandClock()
    deadline = Deadline.after(240, clock=clock.monotonic)
    passed = []
    for seconds in (0, 239.5, 0.5, 60):
        clock.advance(seconds)
        passed.append(deadline.passed)
    assert passed == [False, False, True, True]
