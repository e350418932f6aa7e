"""What signals and crashes do to running jobs: a drain costs no attempt, a job that fells its servants is poison."""

from __future__ import annotations

import signal

import pytest

from tests.support.fleet import Fleet

SLEEP = "system.sleep"


@pytest.mark.timeout(180)
def test_sigterm_hands_running_and_waiting_jobs_back_without_spending_an_attempt(fleet: Fleet) -> None:
    fleet.start_scheduler()
    fleet.start_servant("first", SLEEP)
    fleet.enqueue(*({"seconds": 600} for _ in range(18)), job_type=SLEEP)
    fleet.wait(lambda: fleet.number("SELECT count(*) FROM jobs WHERE state = 'running'") >= 16, "busy slots")

    fleet.signal("first", signal.SIGTERM)

    assert fleet.exit_status("first") == 0
    assert fleet.rows("SELECT DISTINCT state::text, failures FROM jobs WHERE state <> 'queued'") == [("pending", 0)]
    assert fleet.number("SELECT count(*) FROM jobs") == 18
    assert fleet.rows("SELECT DISTINCT reason::text FROM job_events WHERE from_state = 'running'") == [("release",)]
    assert fleet.rows("SELECT state FROM servants") == [("stopped",)]


@pytest.mark.timeout(180)
def test_a_job_that_fells_three_servants_in_a_row_fails_as_poison(fleet: Fleet) -> None:
    fleet.start_scheduler()
    (job,) = fleet.enqueue({"fail": "crash"})

    for n in range(3):
        fleet.start_servant(f"victim-{n}")
        assert fleet.exit_status(f"victim-{n}") == -signal.SIGKILL

    fleet.wait(lambda: fleet.finished() == 1, "the poison to be recognised")
    rows = fleet.rows("SELECT id, state::text, reason::text, attempt, error->>'kind' FROM job_history")
    assert rows == [(job, "failed", "poison", 3, "Poison")]


@pytest.mark.timeout(180)
def test_the_neighbours_of_such_a_job_are_no_poison(fleet: Fleet) -> None:
    """They run in the same processes, and die as often."""
    fleet.start_scheduler()
    jobs = fleet.enqueue({"fail": "crash", "seconds": 0.5}, *({"seconds": 2} for _ in range(2)))

    for n in range(3):
        fleet.start_servant(f"victim-{n}")
        assert fleet.exit_status(f"victim-{n}") == -signal.SIGKILL
    fleet.start_servant("survivor")

    fleet.wait(lambda: fleet.finished() == len(jobs), "every job to end")
    assert fleet.rows("SELECT id, reason::text FROM job_history WHERE state <> 'completed'") == [(jobs[0], "poison")]
