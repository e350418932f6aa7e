"""Types as operators handle them: limits of their own, and what waits, by type and by account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.lanes import list_backlogs, list_lanes, pause_lane, set_lane
from infra.postgres.types import TypeLine, declare_type_limits, list_types, pause_type, set_type_limits
from infra.queues.memory import MemoryQueues
from retinue.errors import NotFound
from scheduler.dispatch import Dispatch
from tests.support.factories import ECHO, add_account, add_jobs, add_servant, add_type
from tests.support.lanes import fold


@pytest.fixture
def dispatch(database: Database) -> Dispatch:
    return Dispatch(database, MemoryQueues(), alive_seconds=30)


def line(sql: psycopg.Connection) -> TypeLine:
    (found,) = list_types(sql, alive_seconds=30)
    return found


def test_limits_by_hand_outlive_the_start_of_a_servant(sql: psycopg.Connection) -> None:
    add_type(sql, lane_limit=2, type_limit=20)
    set_type_limits(sql, ECHO, lane_limit=None, type_limit=5)

    add_type(sql, lane_limit=3, type_limit=30)

    assert (line(sql).lane_limit, line(sql).type_limit, line(sql).limits_by_hand) == (None, 5, True)
    assert (line(sql).declared_lane_limit, line(sql).declared_type_limit) == (3, 30)
    declare_type_limits(sql, ECHO)
    assert (line(sql).lane_limit, line(sql).type_limit, line(sql).limits_by_hand) == (3, 30, False)


def test_a_higher_limit_is_used_at_once(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, slots=50, lane_limit=1)
    add_jobs(sql, 5)
    assert dispatch.run_once().done == 1
    assert dispatch.run_once().done == 0

    set_type_limits(sql, ECHO, lane_limit=3, type_limit=None)

    assert dispatch.run_once().done == 2
    assert (line(sql).in_flight, line(sql).pending) == (3, 2)


@pytest.mark.parametrize("limit", [0, 1_000_001])
def test_a_limit_that_cannot_be_is_refused(sql: psycopg.Connection, limit: int) -> None:
    add_type(sql)
    with pytest.raises(ValueError, match="a limit is 1 to 1000000"):
        set_type_limits(sql, ECHO, lane_limit=None, type_limit=limit)


def test_a_type_that_never_was_is_not_found(sql: psycopg.Connection) -> None:
    with pytest.raises(NotFound, match=r"No servant of type 'no\.such'"):
        set_type_limits(sql, "no.such", lane_limit=1, type_limit=1)
    with pytest.raises(NotFound, match=r"No servant of type 'no\.such'"):
        pause_type(sql, "no.such", paused=True)


def test_a_type_tells_what_waits_and_who_is_there(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, slots=2)
    sql.execute("UPDATE servants SET state = 'draining', busy = 1 WHERE id = %s", (add_servant(sql, slots=2),))
    gone = add_servant(sql, slots=2)
    sql.execute("UPDATE servants SET heartbeat_at = now() - interval '1 minute' WHERE id = %s", (gone,))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    add_jobs(sql, 3, lane="account:1", run_at=tomorrow)
    add_jobs(sql, 2, lane="account:2", run_at=tomorrow + timedelta(days=1))
    dispatch.run_once()

    told = line(sql)

    assert (told.pending, told.lanes, told.next_due_at) == (5, 2, tomorrow)
    assert (told.servants, told.live_slots, told.busy, told.draining) == (1, 2, 1, 1)


def test_backlogs_are_summed_by_account(sql: psycopg.Connection) -> None:
    add_type(sql)
    add_type(sql, "other.sync")
    acme, bolt = add_account(sql, "Acme"), add_account(sql, "Bolt")
    connection = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, 'caldav', 'c', '{}', '') RETURNING id",
        (bolt,),
    ).fetchall()[0][0]
    add_jobs(sql, 3, lane=f"account:{acme}")
    add_jobs(sql, 2, lane=f"account:{acme}", job_type="other.sync")
    add_jobs(sql, 4, lane=f"connection_id:{connection}")
    add_jobs(sql, 1, lane="system")
    fold(sql)
    pause_lane(sql, ECHO, f"account:{acme}", reason="by hand")

    found = [(row.account_name, row.pending, row.lanes, row.held) for row in list_backlogs(sql)]

    assert found == [("Acme", 5, 2, 1), ("Bolt", 4, 1, 0), (None, 1, 1, 0)]
    assert [row.account_name for row in list_backlogs(sql, type="other.sync")] == ["Acme"]
    assert [row.account_name for row in list_backlogs(sql, limit=1)] == ["Acme"]


def test_a_lane_names_its_account_and_its_own_limit(sql: psycopg.Connection) -> None:
    add_type(sql, lane_limit=4)
    acme = add_account(sql, "Acme")
    set_lane(sql, ECHO, f"account:{acme}", limit=2, keep_limit=False)
    set_lane(sql, ECHO, "account:x", weight=2)
    add_jobs(sql, 2, lane=f"account:{acme}")
    fold(sql)

    named, other = list_lanes(sql)

    assert (named.account_name, named.own_limit, named.lane_limit, named.pending) == ("Acme", 2, 2, 2)
    assert (other.account_id, other.own_limit, other.lane_limit, other.pending) == (None, None, 4, 0)
    assert list_lanes(sql, waiting=True) == [named]
