"""What holds a lane back, and what lets it go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.holds import hold_connection_lanes, hold_lanes, list_holds, release_holds
from infra.queues.memory import MemoryQueues
from retinue.holds import Hold, HoldKind
from scheduler.dispatch import Dispatch
from tests.support.assertions import assert_due_jobs_are_in_sight
from tests.support.factories import ECHO, add_jobs, add_servant, add_type
from tests.support.lanes import holds, pause, resume
from tests.support.race import in_background, wait_until_blocked

LANE = (ECHO, "account:1")


@pytest.fixture
def dispatch(database: Database) -> Dispatch:
    return Dispatch(database, MemoryQueues(), alive_seconds=30)


def until(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def hold(kind: HoldKind, *, scope: str = "", end: datetime | None = None, reason: str = "why") -> Hold:
    return Hold(kind, scope, end, reason)


def held_until(sql: psycopg.Connection) -> object:
    return sql.execute("SELECT held_until FROM lanes").fetchall()[0][0]


def test_a_held_lane_starts_nothing_until_every_hold_is_gone(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    add_jobs(sql)
    hold_lanes(
        sql, [(LANE, hold(HoldKind.PAUSE)), (LANE, hold(HoldKind.BREAKER, scope="connection:3", end=until(600)))]
    )
    assert dispatch.run_once().done == 0
    assert release_holds(sql, [HoldKind.PAUSE], lane="account:1") == [LANE]
    assert dispatch.run_once().done == 0
    assert release_holds(sql, [HoldKind.BREAKER], scope="connection:3") == [LANE]
    assert dispatch.run_once().done == 1


def test_a_hold_with_an_end_ends_by_itself(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    add_jobs(sql)
    hold_lanes(sql, [(LANE, hold(HoldKind.BUDGET, scope="connection:3", end=until(600)))])
    assert dispatch.run_once().done == 0
    sql.execute("UPDATE lane_holds SET until = now()")
    sql.execute("UPDATE lanes SET held_until = now()")
    assert dispatch.run_once().done == 1
    assert list_holds(sql, *LANE) == []


def test_new_work_does_not_open_a_held_lane(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql)
    add_jobs(sql)
    dispatch.run_once()
    hold_lanes(sql, [(LANE, hold(HoldKind.BUDGET, end=until(600)))])
    add_jobs(sql, 3)
    assert dispatch.run_once().done == 0
    assert_due_jobs_are_in_sight(sql)


def test_a_lane_that_was_in_line_is_taken_out(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, slots=1, rate=1)
    add_jobs(sql, 50)
    dispatch.run_once()
    assert sql.execute("SELECT ready FROM lanes").fetchone() == (True,)
    pause(sql)
    assert sql.execute("SELECT ready FROM lanes").fetchone() == (False,)
    resume(sql)
    sql.execute("UPDATE jobs SET state = 'pending', reason = 'undelivered' WHERE state = 'queued'")
    assert dispatch.run_once().done > 0


def test_of_two_holds_of_one_kind_the_longer_counts_and_the_first_words_stay(sql: psycopg.Connection) -> None:
    later = until(900)
    hold_lanes(sql, [(LANE, hold(HoldKind.BUDGET, scope="connection:3", end=until(600), reason="first"))])
    hold_lanes(sql, [(LANE, hold(HoldKind.BUDGET, scope="connection:3", end=later, reason="second"))])
    hold_lanes(sql, [(LANE, hold(HoldKind.BUDGET, scope="connection:3", end=until(60), reason="third"))])
    (kept,) = list_holds(sql, *LANE)
    assert (kept.until, kept.reason) == (later, "first")
    assert held_until(sql) == later


def test_a_hold_that_was_over_begins_anew(sql: psycopg.Connection) -> None:
    hold_lanes(sql, [(LANE, hold(HoldKind.BUDGET, end=until(600), reason="yesterday's"))])
    sql.execute("UPDATE lane_holds SET until = now() - interval '1 s', held_at = now() - interval '1 day'")
    hold_lanes(sql, [(LANE, hold(HoldKind.BUDGET, end=until(600), reason="today's"))])
    (kept,) = list_holds(sql, *LANE)
    assert kept.reason == "today's"
    assert kept.held_at > until(-3600)


def test_the_lane_is_held_as_long_as_what_is_left(sql: psycopg.Connection) -> None:
    end = until(600)
    hold_lanes(sql, [(LANE, hold(HoldKind.PAUSE)), (LANE, hold(HoldKind.BUDGET, end=end))])
    assert held_until(sql) == datetime(9000, 1, 1, tzinfo=UTC)
    release_holds(sql, [HoldKind.PAUSE], lane="account:1")
    assert held_until(sql) == end
    resume(sql)
    assert held_until(sql) is None


def test_a_connections_lanes_of_every_type_are_held(sql: psycopg.Connection) -> None:
    for job_type in ("crm.pull", "crm.push"):
        add_type(sql, job_type)
        sql.execute("INSERT INTO lanes (type, lane) VALUES (%s, 'connection_id:12')", (job_type,))
        sql.execute("INSERT INTO lanes (type, lane) VALUES (%s, 'connection_id:13')", (job_type,))
    held = hold_connection_lanes(sql, 12, hold(HoldKind.INCIDENT, scope="connection:12", reason="revoked"))
    assert held == [("crm.pull", "connection_id:12"), ("crm.push", "connection_id:12")]
    assert holds(sql) == [("connection_id:12", "incident", "revoked")] * 2


def test_releasing_needs_to_know_what(sql: psycopg.Connection) -> None:
    with pytest.raises(ValueError, match="needs a scope or a lane"):
        release_holds(sql, list(HoldKind))


def test_a_hold_that_comes_while_another_is_released_stays(sql: psycopg.Connection, database_url: str) -> None:
    """The release sees what the lane is held for only once nobody else is at it."""
    pause(sql)
    with psycopg.connect(database_url) as holding:
        hold_lanes(holding, [(LANE, hold(HoldKind.INCIDENT, scope="connection:3"))])
        with in_background(lambda: resume_pause(database_url)) as released:
            wait_until_blocked(sql, by=holding)
            holding.commit()
    assert released.result() == [LANE]
    assert held_until(sql) == datetime(9000, 1, 1, tzinfo=UTC)
    assert [kept.kind for kept in list_holds(sql, *LANE)] == [HoldKind.INCIDENT]


def resume_pause(database_url: str) -> list[tuple[str, str]]:
    with psycopg.connect(database_url) as person:
        return release_holds(person, [HoldKind.PAUSE], lane="account:1")


def test_a_hold_that_waits_for_a_release_is_not_lost(sql: psycopg.Connection, database_url: str) -> None:
    pause(sql)
    with psycopg.connect(database_url) as releasing:
        release_holds(releasing, [HoldKind.PAUSE], lane="account:1")

        def hold_it() -> None:
            with psycopg.connect(database_url) as other:
                hold_lanes(other, [(LANE, hold(HoldKind.PAUSE, reason="again"))])

        with in_background(hold_it) as held:
            wait_until_blocked(sql, by=releasing)
            releasing.commit()
        held.result()
    assert [kept.reason for kept in list_holds(sql, *LANE)] == ["again"]
    assert held_until(sql) == datetime(9000, 1, 1, tzinfo=UTC)
