from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from infra.logs import bind_context
from infra.loop import LoopRunner, LoopStats, PassResult
from retinue.clock import SystemClock
from retinue.retry import Exponential

DEADLINE = 10.0
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

Run = Callable[[], PassResult]
Make = Callable[..., LoopRunner]


class HandClock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds


class Gate:
    """A pass that waits inside until it is let through, so that a test decides what happens meanwhile."""

    def __init__(self, *outcomes: PassResult | Exception) -> None:
        self._outcomes = list(outcomes)
        self._entered = threading.Semaphore(0)
        self._let_through = threading.Semaphore(0)

    def __call__(self) -> PassResult:
        self._entered.release()
        assert self._let_through.acquire(timeout=DEADLINE)
        outcome = self._outcomes.pop(0) if self._outcomes else PassResult()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def await_entry(self) -> None:
        assert self._entered.acquire(timeout=DEADLINE)

    def let_through(self, times: int = 1) -> None:
        self._let_through.release(times)


class WatchedCondition(threading.Condition):
    """Counts how often the loop's own thread begins to wait."""

    waits_of_loop = 0

    def wait(self, timeout: float | None = None) -> bool:
        if threading.current_thread().name == "dispatch":
            self.waits_of_loop += 1
            self.notify_all()
        return super().wait(timeout)


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[LoopRunner] = []

    def make_runner(run_once: Run, **options: Any) -> LoopRunner:
        defaults: dict[str, Any] = {"interval_seconds": None, "clock": SystemClock(), "backoff": backoff()}
        made.append(LoopRunner("dispatch", run_once, **(defaults | options)))
        made[-1]._changed = WatchedCondition()
        return made[-1]

    yield make_runner
    for runner in made:
        runner.stop(0)


def backoff(base: float = 0.02, cap: float = 1.0, floor: float = 0.0) -> Exponential:
    return Exponential(base=base, cap=cap, floor=floor, draw=lambda low, high: high)


def stays_at(runner: LoopRunner, runs: int) -> bool:
    """Whether there were so many runs and the loop, made to look again, finds nothing to do but to wait."""
    changed = runner._changed
    assert isinstance(changed, WatchedCondition)
    assert runner.wait_for_runs(runs, DEADLINE)
    with changed:
        before = changed.waits_of_loop
        changed.notify_all()
        assert changed.wait_for(lambda: changed.waits_of_loop > before or runner._stats.runs > runs, DEADLINE)
        return runner._stats.runs == runs


class TestRunning:
    def test_runs_at_once_and_then_after_each_interval(self, make: Make) -> None:
        runner = make(lambda: PassResult(done=2), interval_seconds=0.01)
        runner.start()
        assert runner.wait_for_runs(3, DEADLINE)
        assert runner.stop(DEADLINE)
        assert runner.stats.done == runner.stats.runs * 2

    def test_without_an_interval_it_waits_for_a_wake(self, make: Make) -> None:
        runner = make(PassResult)
        runner.start()
        assert stays_at(runner, 1)
        runner.wake()
        assert runner.wait_for_runs(2, DEADLINE)

    def test_a_wake_cuts_the_interval_short(self, make: Make) -> None:
        runner = make(PassResult, interval_seconds=3600)
        runner.start()
        assert runner.wait_for_runs(1, DEADLINE)
        runner.wake()
        assert runner.wait_for_runs(2, DEADLINE)

    def test_a_pass_may_ask_to_run_again_at_once(self, make: Make) -> None:
        answers = [PassResult(again_after=0), PassResult(again_after=0)]
        runner = make(lambda: answers.pop() if answers else PassResult(), interval_seconds=3600)
        runner.start()
        assert stays_at(runner, 3)

    def test_a_pass_may_ask_for_a_delay_other_than_the_interval(self, make: Make) -> None:
        answers = [PassResult(again_after=0.01)]
        runner = make(lambda: answers.pop() if answers else PassResult(again_after=3600), interval_seconds=0.01)
        runner.start()
        assert stays_at(runner, 2)

    def test_waits_without_looking_about(self, make: Make) -> None:
        looked = threading.Event()

        class Watched(SystemClock):
            watched = False

            def monotonic(self) -> float:
                if self.watched:
                    looked.set()
                return super().monotonic()

        clock = Watched()
        runner = make(PassResult, interval_seconds=3600, clock=clock)
        runner.start()
        assert stays_at(runner, 1)
        clock.watched = True
        assert not looked.wait(0.2)

    def test_the_pass_has_the_log_context_of_who_started_it(self, make: Make) -> None:
        seen: list[dict[str, Any]] = []

        def look() -> PassResult:
            seen.append(structlog.contextvars.get_contextvars())
            return PassResult()

        runner = make(look)
        with bind_context(servant="s1"):
            runner.start()
        assert runner.wait_for_runs(1, DEADLINE)
        assert seen == [{"servant": "s1"}]

    @pytest.mark.parametrize("interval", [0, -1, float("nan")])
    def test_an_interval_must_be_above_nothing(self, make: Make, interval: float) -> None:
        with pytest.raises(ValueError, match="dispatch: interval_seconds must be above 0"):
            make(PassResult, interval_seconds=interval)

    @pytest.mark.parametrize("wrong", [{"done": -1}, {"again_after": -0.1}, {"again_after": float("nan")}])
    def test_a_result_counts_forwards(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="cannot be negative"):
            PassResult(**wrong)


class TestWakes:
    def test_many_wakes_during_a_run_cause_one_more(self, make: Make) -> None:
        gate = Gate()
        runner = make(gate)
        runner.start()
        gate.await_entry()
        wakers = [threading.Thread(target=runner.wake) for _ in range(8)]
        for waker in wakers:
            waker.start()
        for waker in wakers:
            waker.join(DEADLINE)
        gate.let_through(3)
        assert stays_at(runner, 2)
        assert runner.stats.runs == 2

    def test_a_wake_in_the_last_moment_of_a_run_is_not_lost(self, make: Make) -> None:
        wakes = [True]

        class WakesWhenTheRunIsCounted(SystemClock):
            def now(self) -> datetime:
                if wakes:
                    wakes.pop()
                    waker = threading.Thread(target=runner.wake)  # blocks until the run is counted, then wakes
                    waker.start()
                return super().now()

        runner = make(PassResult, clock=WakesWhenTheRunIsCounted())
        runner.start()
        assert stays_at(runner, 2)

    def test_a_wake_between_deciding_to_run_and_running_causes_another_run(self, make: Make) -> None:
        runner = make(PassResult)
        decided = runner._wait_until_due
        pending = [True]

        def wake_after_deciding() -> bool:
            due = decided()
            if due and pending:
                pending.pop()
                runner.wake()
            return due

        runner._wait_until_due = wake_after_deciding  # type: ignore[method-assign] # forces the interleaving
        runner.start()
        assert stays_at(runner, 2)

    def test_under_a_storm_the_last_wake_is_followed_by_a_run_that_sees_it(self, make: Make) -> None:
        written = 0
        seen = 0

        def look() -> PassResult:
            nonlocal seen
            seen = written
            return PassResult()

        runner = make(look)
        runner.start()
        for written in range(1, 2001):  # noqa: B007 - the pass reads it
            runner.wake()
        runs = runner.stats.runs
        while seen < written:
            assert runner.wait_for_runs(runs + 1, DEADLINE), f"the wake after {seen} was lost"
            runs = runner.stats.runs
        assert runner.stats.runs <= 2002

    def test_a_wake_before_the_start_is_the_first_run(self, make: Make) -> None:
        runner = make(PassResult)
        runner.wake()
        runner.start()
        assert stays_at(runner, 1)


class TestErrors:
    def test_are_counted_logged_and_recovered_from(self, make: Make) -> None:
        outcomes: list[PassResult | Exception] = [OSError("https://u:hunter2@h"), ValueError("bad"), PassResult(done=3)]

        def act() -> PassResult:
            outcome = outcomes.pop(0) if outcomes else PassResult()
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        runner = make(act)
        with structlog.testing.capture_logs() as captured:
            runner.start()
            assert runner.wait_for_runs(3, DEADLINE)
            assert runner.stop(DEADLINE)
        stats = runner.stats
        assert (stats.runs, stats.errors, stats.consecutive_errors, stats.done) == (3, 2, 0, 3)
        assert stats.last_error == "ValueError: bad"
        told = [(line["event"], line["loop"], line.get("consecutive_errors")) for line in captured]
        assert told == [
            ("pass_failed", "dispatch", 1),
            ("pass_failed", "dispatch", 2),
            ("pass_recovered", "dispatch", None),
        ]
        assert captured[0]["exc_info"]
        assert captured[2]["failed_runs"] == 2

    def test_the_last_error_holds_no_secret(self, make: Make) -> None:
        def fail() -> PassResult:
            raise OSError("https://u:hunter2@h")

        runner = make(fail)
        with pytest.raises(OSError, match="hunter2"):
            runner.run_once()
        assert runner.stats.last_error == "OSError: https://u:***@h"

    def test_back_off_exponentially_up_to_a_cap(self, make: Make) -> None:
        def fail() -> PassResult:
            raise OSError("down")

        runner = make(fail, clock=HandClock(), backoff=backoff(base=1, cap=10))
        waits = []
        for _ in range(6):
            with pytest.raises(OSError, match="down"):
                runner.run_once()
            waits.append(runner._due.at - 100.0)
        assert waits == [1, 2, 4, 8, 10, 10]

    def test_start_over_once_a_run_succeeds(self, make: Make) -> None:
        gate = Gate(OSError("down"), OSError("down"), PassResult(), OSError("down"))
        gate.let_through(4)
        runner = make(gate, clock=HandClock(), backoff=backoff(base=1, cap=10))
        for _ in range(2):
            with pytest.raises(OSError, match="down"):
                runner.run_once()
        runner.run_once()
        with pytest.raises(OSError, match="down"):
            runner.run_once()
        assert runner._due.at == 101.0

    def test_a_wake_shortens_the_backoff_to_its_floor_and_no_further(self, make: Make) -> None:
        clock = HandClock()
        gate = Gate(OSError("down"))
        gate.let_through(2)
        runner = make(gate, clock=clock, backoff=backoff(base=60, cap=60, floor=5))
        runner.start()
        assert runner.wait_for_runs(1, DEADLINE)

        clock.seconds += 4.9
        runner.wake()
        assert stays_at(runner, 1)

        clock.seconds += 0.1
        runner.wake()
        assert runner.wait_for_runs(2, DEADLINE)

    def test_a_wake_before_the_error_does_not_cut_the_floor_either(self, make: Make) -> None:
        clock = HandClock()
        gate = Gate(OSError("down"))
        runner = make(gate, clock=clock, backoff=backoff(base=60, cap=60, floor=5))
        runner.start()
        gate.await_entry()
        runner.wake()
        gate.let_through(2)
        assert stays_at(runner, 1)

    def test_a_pass_that_returns_no_result_is_an_error_too(self, make: Make) -> None:
        runner = make(lambda: None, backoff=backoff(base=60, cap=60))
        runner.start()
        assert stays_at(runner, 1)
        assert runner.stats.consecutive_errors == 1


class TestStopping:
    def test_may_be_asked_again_and_before_the_start(self, make: Make) -> None:
        runner = make(PassResult, interval_seconds=0.01)
        assert runner.stop()
        runner.start()
        assert runner.wait_for_runs(1, DEADLINE)
        assert runner.stop(DEADLINE)
        assert runner.stop(DEADLINE)
        assert not runner.stats.alive

    def test_does_not_cut_a_run_short(self, make: Make) -> None:
        gate = Gate()
        runner = make(gate)
        runner.start()
        gate.await_entry()
        assert not runner.stop(0.01)
        assert runner.stopping
        with pytest.raises(RuntimeError, match="dispatch is still stopping"):
            runner.start()
        gate.let_through()
        assert runner.stop(DEADLINE)
        assert runner.stats.runs == 1

    def test_ends_a_wait_at_once(self, make: Make) -> None:
        runner = make(PassResult, interval_seconds=3600)
        runner.start()
        assert runner.wait_for_runs(1, DEADLINE)
        assert runner.stop(DEADLINE)

    def test_a_pass_may_stop_its_own_loop(self, make: Make) -> None:
        ended: list[bool] = []

        def stop_itself() -> PassResult:
            ended.append(runner.stop(DEADLINE))
            return PassResult()

        runner: LoopRunner = make(stop_itself, interval_seconds=0.01)
        runner.start()
        assert runner.wait_for_runs(1, DEADLINE)
        assert runner.stop(DEADLINE)
        assert ended == [False]
        assert runner.stats.runs == 1

    def test_may_be_started_again(self, make: Make) -> None:
        runner = make(PassResult)
        for runs in (1, 2):
            runner.start()
            assert runner.wait_for_runs(runs, DEADLINE)
            assert runner.stop(DEADLINE)

    def test_starting_twice_makes_one_thread(self, make: Make) -> None:
        gate = Gate()
        runner = make(gate)
        runner.start()
        gate.await_entry()
        runner.start()
        assert [thread.name for thread in threading.enumerate()].count("dispatch") == 1
        gate.let_through()
        assert runner.stop(DEADLINE)


class TestStats:
    def test_tell_what_happened(self, make: Make) -> None:
        clock = HandClock()

        def work() -> PassResult:
            clock.seconds += 1.5
            return PassResult(done=4)

        runner = make(work, clock=clock)
        assert runner.stats == LoopStats(name="dispatch")
        assert runner.run_once() == PassResult(done=4)
        assert runner.stats == LoopStats(name="dispatch", runs=1, done=4, last_seconds=1.5, last_success_at=NOW)

    def test_waiting_for_runs_gives_up(self, make: Make) -> None:
        assert not make(PassResult).wait_for_runs(1, timeout=0.01)

    def test_a_direct_run_waits_for_the_one_going_on(self, make: Make) -> None:
        gate = Gate()
        runner = make(gate)
        runner.start()
        gate.await_entry()
        direct = threading.Thread(target=runner.run_once)
        direct.start()
        assert not gate._entered.acquire(timeout=0.1)
        gate.let_through(2)
        direct.join(DEADLINE)
        assert runner.stats.runs == 2
