"""Admission where rules change under way, types are unknown, and heads of an order are cancelled: no wake is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.enqueue import NewJob
from infra.postgres.groups import cancel_groups, enqueue_group
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.lanes import set_lane
from infra.postgres.settle import settle_jobs
from infra.postgres.statements import statement
from infra.queues.memory import MemoryQueues
from retinue.order import StrictOrder, keep_order
from retinue.outcomes import Completed, Fail
from scheduler.dispatch import Dispatch
from tests.support.assertions import assert_due_jobs_are_in_sight
from tests.support.factories import ECHO, add_jobs, add_servant, add_type, claim_jobs, settle_one
from tests.support.groups import settle_groups
from tests.support.lanes import RIPEN, holds
from tests.support.race import in_background, wait_until_blocked


@pytest.fixture
def dispatch(database: Database) -> Dispatch:
    return Dispatch(database, MemoryQueues(), alive_seconds=30)


def queued(sql: psycopg.Connection) -> list[int]:
    return [row[0] for row in sql.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY id")]


def make_due(sql: psycopg.Connection) -> None:
    """As if the time of everything had come."""
    sql.execute("UPDATE jobs SET run_at = now() - interval '1 s' WHERE run_at > now()")
    sql.execute("UPDATE lanes SET due_at = now() - interval '1 s' WHERE due_at > now()")


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


# --- types that are not there ----------------------------------------------------------------------------------------


def test_lanes_of_a_type_that_no_servant_announced_keep_nobody_waiting(sql: psycopg.Connection) -> None:
    """However many they are: a pass ripens only so many lanes, the longest due first."""
    for lane in ("account:1", "account:2"):
        sql.execute(
            "INSERT INTO lanes (type, lane, due_at) VALUES ('not.there', %s, now() - interval '1 hour')", (lane,)
        )
    add_type(sql)
    sql.execute("INSERT INTO lanes (type, lane, due_at) VALUES (%s, 'account:1', now())", (ECHO,))
    for _ in range(2):
        sql.execute(statement("ripen_lanes"), RIPEN | {"limit": 2})
    assert sql.execute("SELECT ready FROM lanes WHERE type = %s", (ECHO,)).fetchone() == (True,)


# --- rules that change -----------------------------------------------------------------------------------------------


def test_a_lane_in_strict_order_whose_head_runs_is_out_of_the_line_whatever_limit_it_was_given(
    sql: psycopg.Connection, dispatch: Dispatch
) -> None:
    """Else it is looked at again and again, in the place of lanes that could start something."""
    add_servant(sql, slots=50, lane_limit=1, order_policy="skip")
    set_lane(sql, ECHO, "account:1", limit=5, keep_limit=False)
    head, _after = add_jobs(sql, 2, ordered=True)
    dispatch.run_once()
    assert queued(sql) == [head]
    assert sql.execute('SELECT ready, "full" FROM lanes').fetchone() == (False, True)


def test_a_job_from_before_the_order_is_not_forgotten_when_its_lane_is_looked_at_early(
    sql: psycopg.Connection, dispatch: Dispatch
) -> None:
    servant_id = add_servant(sql, slots=50, lane_limit=1, order_policy="skip")
    (late,) = add_jobs(sql, run_at=soon(), ordered=False)
    (head,) = add_jobs(sql, ordered=True)
    dispatch.run_once()
    (held,) = claim_jobs(sql, [head], servant_id=servant_id)
    settle_one(sql, held, Completed())
    dispatch.run_once()
    assert_due_jobs_are_in_sight(sql)
    make_due(sql)
    dispatch.run_once()
    assert queued(sql) == [late]


def test_a_type_that_gives_up_its_order_goes_on_at_once(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    """Not only when the job comes due that all others waited for."""
    add_servant(sql, slots=50, lane_limit=1, order_policy="skip")
    add_jobs(sql, run_at=soon(), ordered=True)
    (behind,) = add_jobs(sql, ordered=True)
    assert dispatch.run_once().done == 0
    add_type(sql, lane_limit=1, order_policy=None)
    dispatch.run_once()
    assert queued(sql) == [behind]


def test_a_limit_that_goes_while_a_pass_keeps_it_leaves_no_lane_full(
    sql: psycopg.Connection, dispatch: Dispatch
) -> None:
    servant_id = add_servant(sql, slots=50, lane_limit=1)
    first, second = add_jobs(sql, 2)
    dispatch.run_once()
    # As when the servants that lift the limit registered before the pass had committed.
    sql.execute("UPDATE job_types SET lane_limit = NULL")
    (held,) = claim_jobs(sql, [first], servant_id=servant_id)
    settle_one(sql, held, Completed())
    dispatch.run_once()
    assert queued(sql) == [second]


def test_a_type_that_comes_to_run_in_order_waits_for_a_pass_without_stopping_it(
    sql: psycopg.Connection, database_url: str
) -> None:
    """The pass has locked jobs, and is about to write the type's row."""
    add_servant(sql)
    add_jobs(sql)
    ordered = {
        "type": ECHO, "slots": 8, "timeout_seconds": 60, "lane_limit": 1, "type_limit": None, "order_policy": "skip",
    }  # fmt: skip

    def register() -> None:
        with psycopg.connect(database_url, autocommit=True) as servant:
            servant.execute(statement("register_type"), ordered)

    with psycopg.connect(database_url) as dispatching:
        dispatching.execute("UPDATE jobs SET priority = 4")
        with in_background(register):
            wait_until_blocked(sql, by=dispatching)
            dispatching.execute("SET LOCAL lock_timeout = '2s'")
            dispatching.execute("UPDATE job_types SET virtual_time = 1")
            dispatching.commit()
    assert sql.execute("SELECT ordered FROM jobs").fetchone() == (True,)


# --- heads of an order -----------------------------------------------------------------------------------------------


def failed_head(sql: psycopg.Connection, dispatch: Dispatch, policy: StrictOrder) -> tuple[int, int]:
    """A head that has failed for good, and the job behind it."""
    servant_id = add_servant(sql, slots=50, lane_limit=1, order_policy=policy)
    head, after = add_jobs(sql, 2, ordered=True)
    dispatch.run_once()
    (held,) = claim_jobs(sql, [head], servant_id=servant_id)
    with sql.transaction():
        settle_jobs(sql, [(keep_order(held.settlement(Fail("refused")), policy), 0.1)], shard=0)
    assert [kind for _, kind, _ in holds(sql)] == ["order"]
    return head, after


def test_the_order_goes_on_when_its_failed_head_is_cancelled(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    head, after = failed_head(sql, dispatch, StrictOrder.HOLD)
    with sql.transaction():
        cancel_jobs(sql, [head])
    assert holds(sql) == []
    dispatch.run_once()
    assert queued(sql) == [after]


def test_cancelling_another_job_does_not_let_the_order_go_on(sql: psycopg.Connection, dispatch: Dispatch) -> None:
    head, after = failed_head(sql, dispatch, StrictOrder.HOLD)
    with sql.transaction():
        cancel_jobs(sql, [after])
    assert [kind for _, kind, _ in holds(sql)] == ["order"]
    dispatch.run_once()
    assert queued(sql) == []
    assert head


def test_the_order_goes_on_when_the_group_of_its_failed_head_is_cancelled(
    sql: psycopg.Connection, database: Database, dispatch: Dispatch
) -> None:
    head, after = failed_head(sql, dispatch, StrictOrder.HOLD)
    with sql.transaction():
        group = enqueue_group(sql, [NewJob(type=ECHO, payload={"message": "one more"})], name="onboard")
    sql.execute("UPDATE jobs SET group_id = %s WHERE id = %s", (group.id, head))
    cancel_groups(sql, [group.id], reason="enough")
    settle_groups(database)
    assert holds(sql) == []
    dispatch.run_once()
    assert queued(sql) == [after]


# --- weights ---------------------------------------------------------------------------------------------------------


def test_a_lane_that_is_given_more_weight_gets_it_at_once(sql: psycopg.Connection) -> None:
    """What it used while it weighed little would keep it waiting for hours."""
    add_type(sql)
    sql.execute("UPDATE job_types SET virtual_time = 1000")
    sql.execute("INSERT INTO lanes (type, lane, weight, virtual_time) VALUES (%s, 'account:1', 0.001, 61000)", (ECHO,))
    set_lane(sql, ECHO, "account:1", weight=1)
    assert sql.execute("SELECT virtual_time FROM lanes").fetchall() == [(pytest.approx(1060),)]


@pytest.mark.parametrize(("weight", "expected"), [(0.001, 1060.0), (None, 1060.0)])
def test_a_lane_that_is_given_less_weight_does_not_owe_for_what_it_had(
    sql: psycopg.Connection, weight: float | None, expected: float
) -> None:
    add_type(sql)
    sql.execute("UPDATE job_types SET virtual_time = 1000")
    sql.execute("INSERT INTO lanes (type, lane, weight, virtual_time) VALUES (%s, 'account:1', 1, 1060)", (ECHO,))
    set_lane(sql, ECHO, "account:1", weight=weight)
    assert sql.execute("SELECT virtual_time FROM lanes").fetchall() == [(pytest.approx(expected),)]


@pytest.mark.parametrize("ripens", [False, True])
def test_a_lane_whose_jobs_come_one_by_one_keeps_its_debt_while_others_wait(
    sql: psycopg.Connection, dispatch: Dispatch, *, ripens: bool
) -> None:
    """Else, with long ones, it would have nearly all of the servants' time: each time it wakes it would be forgiven."""
    add_servant(sql, slots=10, rate=1)
    sql.execute("UPDATE job_types SET virtual_time = 1000")
    columns = (
        "INSERT INTO lanes (type, lane, virtual_time, mean_seconds, due_at, ready) VALUES (%s, %s, %s, %s, %s, %s)"
    )
    now = datetime.now(UTC)
    sql.execute(columns, (ECHO, "account:waits", 1000, 1, now, True))
    sql.execute(columns, (ECHO, "account:single", 1600, 600, now if ripens else None, False))
    add_jobs(sql, 1000, lane="account:waits")
    (single,) = add_jobs(sql, lane="account:single")
    if ripens:
        sql.execute("DELETE FROM lane_wakes WHERE lane = 'account:single'")
    dispatch.run_once()
    assert single not in queued(sql)
    assert sql.execute("SELECT virtual_time FROM lanes WHERE lane = 'account:single'").fetchone() == (1600.0,)
