"""What is made of the rows: ages, verdicts, sums and problems."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.postgres.overview import (
    COUNT_CAP,
    FINISHED,
    UNFINISHED,
    FleetRow,
    Overview,
    SchedulerRow,
    ServantRow,
    TypeFigures,
)
from manager.heartbeats import Heartbeat, Patience
from manager.present import present
from manager.views import OverviewView
from retinue.states import JobState
from tests.support.manager_server import manager_settings

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def figures(name: str, *, pending: int = 0, queued: int = 0, running: int = 0, completed: int = 0) -> TypeFigures:
    return TypeFigures(
        type=name,
        slots=8,
        paused_at=None,
        unfinished=dict(zip(UNFINISHED, (pending, queued, running), strict=True)),
        last_day=dict.fromkeys(FINISHED, 0),
        in_all=dict(zip(FINISHED, (completed, 0, 0), strict=True)),
    )


def servant(
    name: str, *, silent: float = 1, state: str = "active", jobs: list[dict[str, Any]] | None = None
) -> ServantRow:
    return ServantRow(
        id=1,
        type=name,
        host="sync-1",
        pid=12,
        version="0.1.0",
        state=state,
        slots=8,
        busy=len(jobs or []),
        memory_bytes=None,
        started_at=AT - timedelta(hours=1),
        heartbeat_at=AT - timedelta(seconds=silent),
        received_at=None,
        current_jobs=jobs or [],
        account_names={"7": "Northwind"},
    )


def scheduler(*, silent: float = 1) -> SchedulerRow:
    return SchedulerRow(3, "sync-1", 11, "0.1.0", {}, AT - timedelta(hours=1), AT - timedelta(seconds=silent))


def view(
    types: list[TypeFigures], servants: list[ServantRow], schedulers: list[SchedulerRow] | None = None
) -> OverviewView:
    rows = [scheduler()] if schedulers is None else schedulers
    return present(Overview(AT, servants, 0, rows, types, fleets=fleets(servants)), manager_settings())


def fleets(servants: list[ServantRow]) -> list[FleetRow]:
    """What the database counts: these all are up."""
    live = Counter(row.type for row in servants if row.state == "active")
    return [
        FleetRow(name, up=1, late=0, gone=0, live=live[name], slots=8, busy=0) for name in {s.type for s in servants}
    ]


@pytest.mark.parametrize(
    ("silent", "verdict"),
    [(-1, "fresh"), (0, "fresh"), (10, "fresh"), (10.1, "late"), (30, "late"), (30.1, "lost"), (9e9, "lost")],
)
def test_a_heartbeat_is_late_after_two_missed_beats_and_lost_with_its_leases(silent: float, verdict: str) -> None:
    patience = Patience.with_servants(manager_settings(heartbeat_seconds=5, lease_seconds=30))

    assert patience.judge(silent) is Heartbeat(verdict)


def test_a_servant_that_was_marked_lost_is_lost_however_young_its_heartbeat() -> None:
    shown = view([], [servant("calendar.sync", silent=2, state="lost")]).servants[0]

    assert shown.heartbeat is Heartbeat.LOST
    assert not shown.live


def test_no_heartbeat_is_younger_than_now() -> None:
    assert view([], [servant("calendar.sync", silent=-0.2)]).servants[0].heartbeat_age_seconds == 0


def test_a_job_has_run_on_since_the_heartbeat_that_told_of_it() -> None:
    held = {"job": 5, "attempt": 2, "account": 7, "lane": "account:7", "seconds": 3.0, "done": 4, "total": 9}

    job = view([], [servant("calendar.sync", silent=2.5, jobs=[held])]).servants[0].jobs[0]

    assert (job.job, job.attempt, job.account_name, job.seconds, job.done, job.total) == (5, 2, "Northwind", 5.5, 4, 9)


def test_a_job_of_no_account_or_of_a_deleted_one_has_no_name() -> None:
    held = [
        {"job": n, "attempt": 1, "account": account, "lane": "", "seconds": 1, "done": None, "total": None}
        for n, account in enumerate([None, 8])
    ]

    jobs = view([], [servant("calendar.sync", jobs=held)]).servants[0].jobs

    assert [(job.account, job.account_name) for job in jobs] == [(None, None), (8, None)]


def test_counts_above_the_cap_say_so_and_so_do_sums_of_them() -> None:
    shown = view([figures("a", pending=2 * COUNT_CAP, queued=COUNT_CAP + 1), figures("b", queued=5)], [])

    assert shown.types[0].jobs.now[JobState.QUEUED] == COUNT_CAP
    assert shown.types[0].jobs.capped == ["queued"]
    assert shown.types[1].jobs.capped == []
    assert shown.jobs.now == {"pending": 2 * COUNT_CAP, "queued": COUNT_CAP + 5, "running": 0}
    assert shown.jobs.capped == ["queued"]


def test_an_empty_system_has_zeros_and_no_problems() -> None:
    shown = view([], [], [])

    assert shown.problems == []
    assert shown.unused
    assert shown.jobs.now == {"pending": 0, "queued": 0, "running": 0}
    assert shown.jobs.in_all == {"completed": 0, "failed": 0, "cancelled": 0}


def test_one_finished_job_is_enough_to_be_used() -> None:
    assert not view([figures("a", completed=1)], []).unused


def codes(shown: OverviewView) -> list[str]:
    return [problem.code for problem in shown.problems]


def test_all_is_well() -> None:
    shown = view([figures("a", pending=4), figures("idle")], [servant("a")])

    assert codes(shown) == []
    assert [row.live_servants for row in shown.types] == [1, 0]


@pytest.mark.parametrize("schedulers", [[], [scheduler(silent=16)]])
def test_no_live_scheduler_is_a_problem(schedulers: list[SchedulerRow]) -> None:
    assert codes(view([figures("a")], [servant("a")], schedulers)) == ["no_scheduler"]


def test_one_live_scheduler_is_enough() -> None:
    assert codes(view([figures("a")], [servant("a")], [scheduler(silent=500), scheduler()])) == []


@pytest.mark.parametrize("state", ["draining", "lost"])
def test_unfinished_jobs_and_no_servant_that_takes_them_are_a_problem(state: str) -> None:
    shown = view([figures("a", running=1)], [servant("a", state=state), servant("b")])

    assert "no_servant" in codes(shown)
    assert "retinue servant a" in next(problem.message for problem in shown.problems if problem.code == "no_servant")


def test_silent_servants_are_told_by_type_and_without_their_age() -> None:
    rows = [servant("a", silent=20), servant("b"), servant("b", silent=40), servant("b", silent=50)]

    shown = view([], rows)

    assert [(problem.code, problem.message.partition(" servants")[0]) for problem in shown.problems] == [
        ("servant_lost", "Each of 2"),
        ("servant_late", "A servant of a is late with its heartbeat."),
    ]
    assert (
        shown.problems
        == view([], [replace(row, heartbeat_at=row.heartbeat_at - timedelta(seconds=5)) for row in rows]).problems
    )


def test_a_servant_that_lives_and_hears_nothing_is_a_problem() -> None:
    deaf = replace(servant("a"), received_at=AT - timedelta(seconds=61))

    def told(**changes: Any) -> list[str]:
        return codes(view([], [replace(deaf, **changes)]))

    assert told() == ["servant_silent"]
    assert told(received_at=AT - timedelta(seconds=59)) == []
    # One whose slots are all busy does not ask.
    assert told(busy=8) == []
    assert told(state="draining") == []
    assert told(heartbeat_at=AT - timedelta(seconds=20)) == ["servant_late"]
