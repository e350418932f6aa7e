"""The circuit breaker: stay away from a provider that keeps failing; look with one job whether it works again. Pure.

closed ── failures in a row of time ──▶ open ── probe_at has come: one job ──▶ half-open
  ▲                                       ▲                                        │
  │                                       └────── the probe failed: wait longer ───┤
  └──────────────────────── the probe succeeded ───────────────────────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from retinue.durations import minutes, seconds


class BreakerState(StrEnum):
    """Whether jobs may pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When to stay away, and for how long: `failures` within `within` open it, a probe comes after `probe_after`.

    Each probe that fails multiplies the wait by `growth`, up to `longest`. "Three tries within 6 s, then open, probe
    after 10 s" is `Breaker(failures=3, within=seconds(6), probe_after=seconds(10))`.
    """

    failures: int = 5
    within: timedelta = field(default_factory=lambda: minutes(1))
    probe_after: timedelta = field(default_factory=lambda: seconds(30))
    growth: float = 2.0
    longest: timedelta = field(default_factory=lambda: minutes(30))

    def __post_init__(self) -> None:
        if self.failures < 1 or self.growth < 1 or not timedelta(0) < self.probe_after <= self.longest:
            raise ValueError(f"a breaker needs failures >= 1, growth >= 1 and 0 < probe_after <= longest, got {self}")

    def wait(self, openings: int) -> timedelta:
        """How long to stay away after it has opened so often in a row, counted from 1."""
        # Thirty doublings of a second are more than any `longest`.
        grown = self.probe_after.total_seconds() * self.growth ** min(openings - 1, 30)
        return timedelta(seconds=min(grown, self.longest.total_seconds()))


@dataclass(frozen=True, slots=True)
class Circuit:
    """Where a breaker stands. `failed_at` are the failures that count while closed; a probe is a job's attempt."""

    state: BreakerState = BreakerState.CLOSED
    failed_at: tuple[datetime, ...] = ()
    openings: int = 0
    probe_at: datetime | None = None
    probe: tuple[int, int] | None = None


def failed(circuit: Circuit, policy: Breaker, *, attempt: tuple[int, int], now: datetime) -> Circuit:
    """After a failed call of `attempt` (job, number).

    While open only the probe's failure changes anything: the others began before.
    """
    if circuit.state is not BreakerState.CLOSED:
        return _opened(circuit, policy, now) if circuit.probe == attempt else circuit
    recent = (*(at for at in circuit.failed_at if at > now - policy.within), now)
    if len(recent) >= policy.failures:
        return _opened(circuit, policy, now)
    return Circuit(failed_at=recent)


def _opened(circuit: Circuit, policy: Breaker, now: datetime) -> Circuit:
    openings = circuit.openings + 1
    return Circuit(BreakerState.OPEN, (), openings, now + policy.wait(openings))
