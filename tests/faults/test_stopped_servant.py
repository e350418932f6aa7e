"""A servant that was thought dead and comes back can change nothing."""

from __future__ import annotations

import signal

import pytest

from tests.support.fleet import Fleet

RUNNING = "SELECT count(*) FROM jobs WHERE state = 'running'"


@pytest.mark.timeout(180)
def test_late_commit_and_late_settle_of_a_stopped_servant_change_nothing(fleet: Fleet) -> None:
    # Given a servant that stops dead in the middle of two jobs: one will commit an effect, one will only be settled
    fleet.start_scheduler()
    fleet.start_servant("sleeper")
    committing, settling = fleet.enqueue({"effect": True, "seconds": 2}, {"message": "settled", "seconds": 2})
    fleet.wait(lambda: fleet.number(RUNNING) == 2, "both jobs running")
    fleet.signal("sleeper", signal.SIGSTOP)

    # When both are rescued and finished by another servant, and the first one continues
    fleet.start_servant("second")
    fleet.wait(lambda: fleet.finished() == 2, "both jobs finished elsewhere")
    before = everything(fleet)
    fleet.signal("sleeper", signal.SIGCONT)
    fleet.wait(lambda: lost(fleet, committing) and lost(fleet, settling), "the sleeper to notice")

    # Then nothing has changed, and each effect is the second attempt's
    assert everything(fleet) == before
    assert fleet.rows("SELECT job_id, attempt FROM echoes") == [(committing, 2)]
    assert fleet.rows("SELECT DISTINCT attempt, state::text FROM job_history") == [(2, "completed")]


def lost(fleet: Fleet, job: int) -> bool:
    """Whether the sleeper has said that it lost this job's lease."""
    events = ('"message": "lease_lost"', '"message": "outcome_superseded"')
    lines = fleet.log("sleeper").splitlines()
    return any(f'"job": {job}' in line and any(event in line for event in events) for line in lines)


def everything(fleet: Fleet) -> list[list[tuple[object, ...]]]:
    tables = ("job_history", "jobs", "echoes", "job_events", "job_rollups")
    return [fleet.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]  # noqa: S608 - our own names
