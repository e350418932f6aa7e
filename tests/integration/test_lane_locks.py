"""Lanes are locked in one order by whoever locks several, so that none waits for another in a ring."""

from __future__ import annotations

import psycopg

from tests.support.factories import add_type
from tests.support.lanes import pause, resume
from tests.support.race import in_background, wait_until_blocked

LANE = "account:1"


def test_resuming_a_lane_of_two_types_does_not_deadlock_with_dispatch(
    sql: psycopg.Connection, database_url: str
) -> None:
    for job_type in ("b.last", "a.first"):
        add_type(sql, job_type)
        pause(sql, LANE, job_type)

    def resume_it() -> int:
        with psycopg.connect(database_url) as person:
            return len(resume(person, LANE))

    with psycopg.connect(database_url) as dispatching:
        dispatching.execute("SELECT 1 FROM lanes WHERE type = 'a.first' FOR UPDATE")
        with in_background(resume_it) as resumed:
            wait_until_blocked(sql, by=dispatching)
            assert dispatching.execute("SELECT 1 FROM lanes WHERE type = 'b.last' FOR UPDATE NOWAIT").fetchone()
            dispatching.commit()
    assert resumed.result() == 2
