"""Admission: weights, limits of types, strict order and ageing, decided in one pass."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.settle import settle_jobs
from infra.postgres.statements import statement
from infra.queues.memory import MemoryQueues
from retinue.order import StrictOrder, keep_order
from retinue.outcomes import Completed, Fail, Retry
from scheduler.dispatch import Dispatch
from tests.support.factories import ECHO, add_jobs, add_servant, add_type, claim_jobs, heartbeat_params, settle_one
from tests.support.lanes import fold, resume


@pytest.fixture
def dispatch(database: Database) -> Dispatch:
    return Dispatch(database, MemoryQueues(), alive_seconds=30)


def queued(sql: psycopg.Connection) -> list[int]:
    return [row[0] for row in sql.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY id")]


def set_lane(sql: psycopg.Connection, lane: str, **columns: float) -> None:
    names = ", ".join(columns)
    values = ", ".join("%s" for _ in columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    sql.execute(
        f"INSERT INTO lanes (type, lane, {names}) VALUES (%s, %s, {values})"  # noqa: S608 - the columns of these tests
        f" ON CONFLICT (type, lane) DO UPDATE SET {changes}".encode(),
        (ECHO, lane, *columns.values()),
    )


def lanes_of(sql: psycopg.Connection, ids: list[int]) -> Counter[str]:
    return Counter(row[0] for row in sql.execute("SELECT lane FROM jobs WHERE id = ANY(%s)", (ids,)))


# --- weights ---------------------------------------------------------------------------------------------------------


def test_room_is_shared_by_weight(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, slots=40, rate=1)
    for lane, weight in (("account:1", 1), ("account:2", 1), ("account:3", 2)):
        set_lane(sql, lane, weight=weight, mean_seconds=0.1)
        add_jobs(sql, 100, lane=lane)
    dispatch.run_once()
    shares = lanes_of(sql, queued(sql))
    assert [shares[f"account:{n}"] for n in (1, 2, 3)] == pytest.approx([10, 10, 21], abs=1)


def test_room_that_small_lanes_leave_goes_to_the_large_one_in_the_same_pass(
    sql: psycopg.Connection, dispatch: Dispatch
) -> None:
    add_servant(sql, slots=100, rate=1)
    for number in range(20):
        add_jobs(sql, 1, lane=f"account:{number}")
    add_jobs(sql, 500, lane="account:big")
    assert dispatch.run_once().done == 101
    assert lanes_of(sql, queued(sql))["account:big"] == 81


def test_a_lane_is_charged_for_what_is_dispatched_and_put_right_by_what_it_used(
    sql: psycopg.Connection, dispatch: Dispatch
) -> None:
    servant_id = add_servant(sql, slots=2, rate=1)
    set_lane(sql, "account:1", weight=2, mean_seconds=3)
    add_jobs(sql, 2)
    dispatch.run_once()
    held = claim_jobs(sql, queued(sql), servant_id=servant_id)
    assert sql.execute("SELECT virtual_time FROM lanes").fetchone() == (3.0,)
    assert sql.execute("SELECT charged_seconds FROM jobs").fetchall() == [(3.0,), (3.0,)]
    use = {"lanes": ["account:1"], "charges": [-4.0], "run_seconds": [2.0], "job_counts": [2]}
    sql.execute(statement("heartbeat"), heartbeat_params(held, **use))
    fold(sql)
    (virtual_time, mean) = sql.execute("SELECT virtual_time, mean_seconds FROM lanes").fetchall()[0]
    assert virtual_time == pytest.approx(1.0)
    assert 1.0 < mean < 3.0


def test_a_lane_that_slept_has_no_claim_from_its_sleep(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    """It joins beside those that wait, and shares from then on."""
    add_servant(sql, slots=10, rate=1)
    set_lane(sql, "account:1", virtual_time=1000, mean_seconds=0.1)
    set_lane(sql, "account:2", virtual_time=1000, mean_seconds=0.1)
    sql.execute("UPDATE job_types SET virtual_time = 1000")
    for lane in ("account:1", "account:2", "account:3"):
        add_jobs(sql, 100, lane=lane)
    dispatch.run_once()
    assert lanes_of(sql, queued(sql))["account:3"] < 10


def test_what_a_lane_used_while_nobody_waited_is_forgiven(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, slots=10, rate=1)
    set_lane(sql, "account:1", virtual_time=5000, mean_seconds=1)
    set_lane(sql, "account:2", virtual_time=0, mean_seconds=1)
    add_jobs(sql, 100, lane="account:1")
    add_jobs(sql, 100, lane="account:2")
    dispatch.run_once()
    assert lanes_of(sql, queued(sql))["account:1"] >= 4


def test_more_lanes_than_a_pass_serves_take_turns(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    add_servant(sql, slots=100, rate=1)
    for number in range(300):
        add_jobs(sql, 2, lane=f"account:{number}")
    dispatch.run_once()
    first = set(lanes_of(sql, queued(sql)))
    sql.execute("DELETE FROM jobs WHERE state = 'queued'")
    dispatch.run_once()
    assert not first & set(lanes_of(sql, queued(sql)))


# --- limits of types -------------------------------------------------------------------------------------------------


def test_a_type_keeps_its_limit_over_all_lanes(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    servant_id = add_servant(sql, slots=50, type_limit=3)
    add_jobs(sql, 5, lane="account:1")
    add_jobs(sql, 5, lane="account:2")
    dispatch.run_once()
    dispatch.run_once()
    (first, *_) = claim_jobs(sql, queued(sql), servant_id=servant_id)
    assert dispatch.run_once().done == 0
    assert settle_one(sql, first).lanes_woken
    assert dispatch.run_once().done == 1


def test_two_schedulers_keep_a_types_limit_together(
    database: Database, sql: psycopg.Connection, database_url: str
) -> None:
    """While one has the type's row the other leaves the type alone, whatever lanes are free."""
    add_servant(sql, slots=50, type_limit=2)
    add_jobs(sql, 5, lane="account:1")
    add_jobs(sql, 5, lane="account:2")
    second = Dispatch(database, MemoryQueues(), alive_seconds=30)
    second.run_once()
    sql.execute("DELETE FROM jobs WHERE state = 'queued'")
    with psycopg.connect(database_url) as first:
        assert first.execute(statement("lock_limited_types")).fetchall() == [(ECHO,)]
        assert second.run_once().done == 0
    assert second.run_once().done == 2


# --- strict order ----------------------------------------------------------------------------------------------------


def run_next(sql: psycopg.Connection, dispatch: Dispatch) -> list[int]:
    dispatch.run_once()
    return queued(sql)


def test_a_lane_in_strict_order_runs_one_at_a_time_as_enqueued(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    servant_id = add_servant(sql, slots=50, lane_limit=1, order_policy="skip")
    ids = [*add_jobs(sql, priority=9, ordered=True), *add_jobs(sql, 2, priority=0, ordered=True)]
    for identity in ids:
        assert run_next(sql, dispatch) == [identity]
        (held,) = claim_jobs(sql, [identity], servant_id=servant_id)
        assert run_next(sql, dispatch) == []
        settle_one(sql, held, Completed())


def test_a_retry_of_the_head_holds_back_what_comes_after_it(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    servant_id = add_servant(sql, slots=50, lane_limit=1, order_policy="skip")
    head, after = add_jobs(sql, 2, ordered=True)
    other = add_jobs(sql, lane="account:2", ordered=True)[0]
    dispatch.run_once()
    (held,) = claim_jobs(sql, [head], servant_id=servant_id)
    settle_one(sql, held, Retry(timedelta(hours=1)))
    assert run_next(sql, dispatch) == [other]
    sql.execute("UPDATE jobs SET run_at = now() WHERE id = %s", (head,))
    sql.execute("INSERT INTO lane_wakes (type, lane, due_at) VALUES (%s, 'account:1', now())", (ECHO,))
    assert run_next(sql, dispatch) == [head, other]
    (held,) = claim_jobs(sql, [head], servant_id=servant_id)
    settle_one(sql, held, Fail("gone"))
    assert run_next(sql, dispatch) == [after, other]


def test_an_older_job_that_commits_late_waits_for_the_one_that_runs(
    sql: psycopg.Connection, dispatch: Dispatch, database_url: str
) -> None:
    servant_id = add_servant(sql, slots=50, lane_limit=1, order_policy="skip")
    with psycopg.connect(database_url) as slow:
        (older,) = add_jobs(slow, ordered=True)
        (younger,) = add_jobs(sql, ordered=True)
        assert run_next(sql, dispatch) == [younger]
        slow.commit()
    assert run_next(sql, dispatch) == [younger]
    (held,) = claim_jobs(sql, [younger], servant_id=servant_id)
    settle_one(sql, held)
    assert run_next(sql, dispatch) == [older]


def test_a_type_that_comes_to_run_in_order_takes_along_what_waits(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    ids = add_jobs(sql, 2)
    add_servant(sql)
    add_type(sql, lane_limit=1, order_policy="skip")
    assert sql.execute("SELECT ordered FROM jobs").fetchall() == [(True,), (True,)]
    dispatch.run_once()
    assert queued(sql) == ids[:1]


def test_jobs_of_an_older_release_are_not_forgotten(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    """A process that does not know of the order yet still enqueues."""
    add_servant(sql, lane_limit=1, order_policy="skip")
    (identity,) = add_jobs(sql, ordered=False)
    dispatch.run_once()
    assert queued(sql) == [identity]


# --- ageing ----------------------------------------------------------------------------------------------------------


def test_waiting_makes_up_for_a_lower_priority(sql: psycopg.Connection, database: Database) -> None:
    add_servant(sql, slots=1, rate=0.001)
    now = datetime.now(UTC)
    (urgent,) = add_jobs(sql, priority=0, run_at=now - timedelta(seconds=1))
    (patient,) = add_jobs(sql, priority=2, run_at=now - timedelta(seconds=100))
    (starved,) = add_jobs(sql, priority=9, run_at=now - timedelta(seconds=1000))
    order = []
    for _ in range(3):
        Dispatch(database, MemoryQueues(), alive_seconds=30, age_seconds=60).run_once()
        order += queued(sql)
        sql.execute("DELETE FROM jobs WHERE state = 'queued'")
    assert order in ([starved, urgent, patient], [urgent, starved, patient])


def test_resuming_wakes_the_lane_of_a_failed_head(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    servant_id = add_servant(sql, slots=50, lane_limit=1, order_policy="hold")
    head, _after = add_jobs(sql, 2, ordered=True)
    dispatch.run_once()
    (held,) = claim_jobs(sql, [head], servant_id=servant_id)
    settle_jobs(sql, [(keep_order(held.settlement(Fail("refused")), StrictOrder.HOLD), 0.1)], shard=0)
    assert run_next(sql, dispatch) == []
    resume(sql)
    assert run_next(sql, dispatch) == [head]
