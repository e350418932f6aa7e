"""The passes of all schedulers together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from manager.heartbeats import Heartbeat
from manager.passes import passes_of
from manager.problems import FAILING_RUNS, find_problems
from manager.views import SchedulerView

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def scheduler(heartbeat: Heartbeat = Heartbeat.FRESH, **passes: dict[str, Any]) -> SchedulerView:
    return SchedulerView(1, "sync-1", 11, "0.1.0", heartbeat, AT, 1.0, AT, passes)


def told(*, runs: int = 5, errors: int = 0, failing: int = 0, at: str | None = None) -> dict[str, Any]:
    return {
        "runs": runs,
        "errors": errors,
        "consecutive_errors": failing,
        "done": 2 * runs,
        "last_seconds": 0.01 * runs,
        "last_error": "QueueUnreachable: no answer" if errors else None,
        "last_success_at": at,
    }


def test_they_are_added_up_and_the_last_run_is_the_latest_of_any() -> None:
    early, late = "2026-11-20T07:00:00+00:00", "2026-11-20T07:30:00+00:00"

    [found] = passes_of([scheduler(plan=told(runs=5, at=early)), scheduler(plan=told(runs=7, errors=2, at=late))])

    assert (found.name, found.runs, found.errors, found.done) == ("plan", 12, 2, 24)
    assert found.last_success_at == datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
    assert found.last_seconds == 0.07
    assert found.failing == 0


def test_a_pass_that_only_one_of_them_has_and_that_never_ran_is_there_too() -> None:
    found = passes_of([scheduler(retain=told(runs=0)), scheduler(plan={})])

    assert [(row.name, row.runs, row.last_success_at) for row in found] == [("plan", 0, None), ("retain", 0, None)]


def codes(*schedulers: SchedulerView) -> list[str]:
    return [problem.code for problem in find_problems([], [], schedulers)]


def test_a_pass_that_fails_again_and_again_is_a_problem() -> None:
    failing = told(errors=9, failing=FAILING_RUNS)

    assert codes(scheduler(dispatch=failing)) == ["pass_failing"]
    assert codes(scheduler(dispatch=told(errors=9, failing=FAILING_RUNS - 1))) == []
    assert codes(scheduler(Heartbeat.LOST, dispatch=failing), scheduler()) == []
