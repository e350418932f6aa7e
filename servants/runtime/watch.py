"""Watches the running jobs' time limits, and settles over the head of a job that ignores being asked to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from infra.logs import get_logger
from infra.loop import PassResult
from retinue.servant import ServantType
from retinue.settlement import Settlement, overrun
from servants.runtime.evidence import with_evidence
from servants.runtime.held import HeldJob, HeldJobs
from servants.runtime.performer import DRAINING, TIMED_OUT, Performed

log = get_logger(__name__)


class Watch:
    """Looks at every running job each time `look` is called."""

    def __init__(
        self,
        servant: ServantType[Any],
        held: HeldJobs,
        *,
        settle: Callable[[Performed], None],
        on_overrun: Callable[[], None],
        interrupt: Callable[[HeldJob], bool] = lambda _: False,
    ) -> None:
        """`interrupt` stops a running handler from outside; False where that cannot be done."""
        self._timeout = servant.timeout.total_seconds()
        self._grace = servant.grace.total_seconds()
        self._held = held
        self._settle = settle
        self._on_overrun = on_overrun
        self._interrupt = interrupt

    @property
    def interval_seconds(self) -> float:
        """How often to look: often enough for the shortest limit, at most each second."""
        return max(0.05, min(1.0, self._timeout / 4, self._grace / 4 or 1.0))

    def look(self) -> PassResult:
        """Ask jobs past their time limit to stop; give up those past their grace."""
        now = time.monotonic()
        running = self._held.running()
        for held in running:
            if held.asked_at is None and now - (held.started_at or now) > self._timeout:
                log.warning("job_timed_out", job=held.facts.id, attempt=held.facts.attempt, limit_seconds=self._timeout)
                held.ask_to_stop(TIMED_OUT, now)
            elif held.asked_at is not None and held.asked_why != DRAINING and now - held.asked_at > self._grace:
                self._insist(held, now)
        return PassResult(len(running))

    def _insist(self, held: HeldJob, now: float) -> None:
        """Its grace is over: interrupt it, and where that cannot be done, or after another grace, give it up."""
        if held.interrupted_at is None and self._interrupt(held):
            held.interrupted_at = now
        elif held.interrupted_at is None or now - held.interrupted_at > self._grace:
            self._give_up(held, now)

    def _give_up(self, held: HeldJob, now: float) -> None:
        """What runs on cannot be ended from outside: settle its job, and have the process replaced."""
        log.error("job_overran", job=held.facts.id, attempt=held.facts.attempt, reason=held.asked_why)
        message = f"asked to stop ({held.asked_why}), it did not within its grace of {self._grace:g} s"
        ran = now - (held.started_at or now)
        settlement = None if held.over else _overrun(held, message, ran)
        held.abandoned = True
        self._settle(Performed(held, settlement, ran))
        self._on_overrun()


def _overrun(held: HeldJob, message: str, ran: float) -> Settlement:
    if held.evidence is not None:
        held.evidence.standing()
    return with_evidence(overrun(held.facts.id, held.facts.attempt, message), held.evidence, run_seconds=ran)
