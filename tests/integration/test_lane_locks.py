"""Lanes are locked in one order by whoever locks several, so that none waits for another in a ring."""

from __future__ import annotations

import psycopg

from infra.postgres.statements import statement
from tests.support.factories import add_type
from tests.support.race import in_background, wait_until_blocked

LANE = "account:1"


def test_resuming_a_lane_of_two_types_does_not_deadlock_with_dispatch(
    sql: psycopg.Connection, database_url: str
) -> None:
    for job_type in ("b.last", "a.first"):
        add_type(sql, job_type)
        sql.execute("INSERT INTO lanes VALUES (%s, %s, NULL, NULL, false, now(), 'parked')", (job_type, LANE))

    def resume() -> int:
        with psycopg.connect(database_url) as person:
            return person.execute(statement("resume_lanes"), {"lane": LANE}).rowcount

    with psycopg.connect(database_url) as dispatching:
        dispatching.execute("SELECT 1 FROM lanes WHERE type = 'a.first' FOR UPDATE")
        with in_background(resume) as resumed:
            wait_until_blocked(sql, by=dispatching)
            assert dispatching.execute("SELECT 1 FROM lanes WHERE type = 'b.last' FOR UPDATE NOWAIT").fetchone()
            dispatching.commit()
    assert resumed.result() == 2
