"""When a breaker opens, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retinue.breaker import Breaker, BreakerState, Circuit, failed
from retinue.durations import seconds

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

#: Three tries within 6 s, then open, probe after 10 s.
POLICY = Breaker(failures=3, within=seconds(6), probe_after=seconds(10), longest=seconds(35))


def fail_at(circuit: Circuit, *moments: float, attempt: tuple[int, int] = (1, 1)) -> Circuit:
    for moment in moments:
        circuit = failed(circuit, POLICY, attempt=attempt, now=NOW + timedelta(seconds=moment))
    return circuit


def test_three_failures_within_six_seconds_open_it_for_ten() -> None:
    circuit = fail_at(Circuit(), 0, 2, 5)
    assert circuit.state is BreakerState.OPEN
    assert circuit.probe_at == NOW + timedelta(seconds=15)


def test_failures_further_apart_leave_it_closed() -> None:
    circuit = fail_at(Circuit(), 0, 3, 6.5, 10, 13.5)
    assert circuit.state is BreakerState.CLOSED
    assert len(circuit.failed_at) == 2


def test_failures_of_those_that_had_begun_before_change_nothing_while_it_is_open() -> None:
    circuit = fail_at(Circuit(), 0, 1, 2)
    assert fail_at(circuit, 3, 4, 5, 6) == circuit


def test_the_probe_s_failure_opens_it_for_longer_up_to_the_longest() -> None:
    circuit, waits = fail_at(Circuit(), 0, 0, 0), []
    for _ in range(4):
        probing = Circuit(BreakerState.HALF_OPEN, (), circuit.openings, circuit.probe_at, (9, 2))
        assert fail_at(probing, 0, attempt=(8, 1)) == probing, "another job's failure is not the probe's"
        circuit = fail_at(probing, 0, attempt=(9, 2))
        assert circuit.state is BreakerState.OPEN
        assert circuit.probe is None
        assert circuit.probe_at is not None
        waits.append((circuit.probe_at - NOW).total_seconds())
    assert waits == [20, 35, 35, 35]


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"growth": 0.5}, {"probe_after": seconds(0)}])
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a breaker needs"):
        Breaker(**wrong)  # type: ignore[arg-type] # of several types, each wrong
