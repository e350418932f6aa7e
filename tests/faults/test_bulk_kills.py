"""The servant of a bulk operation is killed in the middle: the next one goes on, and no job is touched twice."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres import bulk
from infra.postgres.job_actions import cancel_jobs
from retinue.bulk import BULK_TYPE
from tests.support.bulk import order
from tests.support.fleet import ECHO, Fleet

JOBS = 400


@pytest.mark.timeout(180)
def test_a_killed_operation_goes_on_where_it_was(fleet: Fleet) -> None:
    old = fleet.enqueue(*({} for _ in range(JOBS)))
    with psycopg.connect(fleet.machine.url) as connection:
        cancel_jobs(connection, old)
        job = bulk.start(connection, order("retry", type=ECHO, states=["cancelled"], rate=50))
    fleet.start_scheduler()
    fleet.start_servant("bulk-0", BULK_TYPE)

    for done in (100, 200):
        fleet.wait(lambda share=done: retried(fleet) >= share, f"{done} retries")  # type: ignore[misc] # a lambda's default keeps this turn's value
        fleet.kill("bulk-0")
        assert retried(fleet) < JOBS
        fleet.restart("bulk-0")

    fleet.wait(lambda: fleet.rows("SELECT 1 FROM job_history WHERE id = %s", job), "the operation's end")
    ((state, attempt, result),) = fleet.rows("SELECT state, attempt, result FROM job_history WHERE id = %s", job)
    assert state == "completed"
    assert int(str(attempt)) >= 3
    # What an attempt does a second time it would find retried already, and leave alone.
    assert result == {"operation": "retry", "done": {"retried": JOBS}, "left_alone": {}}
    assert [row[0] for row in fleet.rows("SELECT retry_of FROM jobs ORDER BY retry_of")] == old


def retried(fleet: Fleet) -> int:
    return fleet.number("SELECT count(*) FROM jobs WHERE retry_of IS NOT NULL")
