"""How the hot statements reach their rows: by index, and reading no more than they need, however much work waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres.arrays import moments, numbers, texts
from infra.postgres.settle import _finish_columns, _put_back_columns
from infra.postgres.statements import statement
from retinue.outcomes import Completed, Retry
from tests.support.factories import (
    ECHO,
    Held,
    add_jobs,
    add_schedule,
    add_servant,
    claim_jobs,
    heartbeat_params,
    queue_jobs,
)
from tests.support.lanes import RIPEN, fold, turn_of
from tests.support.plans import Read, explain, explain_prepared

#: Work that waits, and the most rows that a statement may look at. The second does not grow with the first.
WAITING = 20_000
READS = 400


@dataclass(frozen=True)
class Busy:
    """A database with much waiting and a little in flight."""

    sql: psycopg.Connection
    running: list[Held]
    queued: list[int]
    schedule_ids: list[int]


@pytest.fixture(params=["true", "of an empty table", "of an idle day"])
def busy(sql: psycopg.Connection, request: pytest.FixtureRequest) -> Busy:
    """The planner's statistics are true, or older than the flood of work."""
    servant_id = add_servant(sql, slots=64, lane_limit=500)
    if request.param == "of an empty table":
        sql.execute("ANALYZE")
    running_ids, queued = add_jobs(sql, 100, lane="account:2"), add_jobs(sql, 100, lane="account:3")
    queue_jobs(sql, [*running_ids, *queued])
    running = claim_jobs(sql, running_ids, servant_id=servant_id, lease_seconds=600)
    if request.param == "of an idle day":
        sql.execute("ANALYZE")
    add_jobs(sql, WAITING, lane="account:1")
    add_jobs(sql, 20, lane="account:4")
    fold(sql)
    later = datetime.now(UTC) + timedelta(days=1)
    schedules = [add_schedule(sql, f"schedule {n}", next_fire_at=later) for n in range(20)]
    if request.param == "true":
        sql.execute("ANALYZE")
    return Busy(sql, running, queued, schedules)


def cases(busy: Busy) -> dict[str, dict[str, Any]]:
    """Parameters for each hot statement, as the passes and the servants give them."""
    held = busy.running[:50]
    entries = [(job.settlement(Completed()), 0.1) for job in held]
    turns = turn_of("account:1", "account:4", shares=40)
    return {
        "read_dispatch_room": {"alive_seconds": 30, "locked_types": []},
        "ripen_lanes": RIPEN,
        "take_ready_lanes": {"types": [ECHO], "lanes_per_type": 200},
        "count_lanes_in_flight": turns,
        "dispatch_jobs": turns,
        "end_lane_turns": turns,
        "put_back_unsent_jobs": {"ids": busy.queued[:50]},
        "claim_jobs": {"ids": numbers(busy.queued[:50]), "type": ECHO, "servant_id": 1, "lease_seconds": 30},
        "heartbeat": _as_arrays(heartbeat_params(held)),
        "finish_jobs": _finish_columns(entries) | {"shard": 0, "only_cancelled": False},
        "put_back_jobs": _put_back_columns([(job.settlement(Retry()), 0.1) for job in held]),
        "hold_fence": {"id": held[0].id, "attempt": held[0].attempt},
        "save_checkpoint": {"id": held[0].id, "attempt": held[0].attempt, "checkpoint": "1"},
        "rescue_expired_jobs": {"poison_deaths": 3, "backoff_seconds": 5, "limit": 1000},
        "lock_spent_jobs": {"poison_deaths": 3, "limit": 1000},
        "rescue_undelivered_jobs": {"queued_timeout_seconds": 30, "limit": 1000},
        "request_cancel": {"ids": [job.id for job in held]},
        "cancel_waiting_jobs": {"ids": busy.queued[:50]},
        "lock_jobs_of_cancelled_groups": {"limit": 1000},
        "find_unique_job": {"type": ECHO, "unique_key": "k"},
        "find_key_holders": {"types": texts([ECHO]), "keys": texts(["k"]), "periods": numbers([60])},
        "lock_key_holders": {"ids": numbers(busy.queued[:50])},
        "change_key_holders": {
            "ids": numbers(busy.queued[:50]),
            "on_conflict": texts(["replace"] * 50),
            "account_id": numbers([None] * 50),
            "lane": texts(["account:3"] * 50),
            "priority": numbers([5] * 50),
            "run_at": moments([None] * 50),
            "payload": texts(["{}"] * 50),
            "max_wait": numbers([None] * 50),
        },
        "list_types": {"alive_seconds": 30, "type": None},
        "list_backlogs": {"type": None, "limit": 50},
        "list_lanes": {
            "type": None,
            "lane": None,
            "held": False,
            "waiting": True,
            "after_type": "",
            "after_lane": "",
            "limit": 50,
        },
        "fire_schedules": {
            "schedule_ids": busy.schedule_ids,
            "fire_ats": [datetime.now(UTC)] * 20,
            "run_ats": [datetime.now(UTC)] * 20,
        },
    }


def _as_arrays(params: dict[str, Any]) -> dict[str, Any]:
    return params | {name: numbers(params[name]) for name in ("ids", "attempts", "dones", "totals")}


@pytest.mark.parametrize("explained", [explain, explain_prepared])
def test_no_hot_statement_reads_the_waiting_jobs(busy: Busy, explained: Callable[..., list[Read]]) -> None:
    found = {name: explained(busy.sql, name, params) for name, params in cases(busy).items()}
    greedy = {
        name: reads
        for name, reads in found.items()
        if sum(read.rows for read in reads if read.table == "jobs") > READS
        or any(read.node == "Seq Scan" and read.table == "jobs" for read in reads)
    }
    assert greedy == {}


def test_dispatch_reaches_a_lanes_due_jobs_by_their_index(busy: Busy) -> None:
    assert "using jobs_for_dispatch" in plan_of(busy, "dispatch_jobs")
    assert "using jobs_in_flight" in plan_of(busy, "count_lanes_in_flight")


def plan_of(busy: Busy, name: str) -> str:
    with busy.sql.transaction(force_rollback=True):
        query = b"EXPLAIN " + statement(name)
        return "\n".join(row[0] for row in busy.sql.execute(query, cases(busy)[name]))


@pytest.mark.parametrize("analyzed", [True, False])
def test_what_is_not_due_is_not_read(sql: psycopg.Connection, analyzed: bool) -> None:
    add_servant(sql)
    sql.execute(
        "INSERT INTO lanes (type, lane, due_at, held_until)"
        " SELECT %s, 'account:' || n, CASE WHEN n %% 3 > 0 THEN now() + n * interval '1 s' END,"
        " CASE WHEN n %% 2 > 0 THEN '9000-01-01'::timestamptz END FROM generate_series(1, 5000) AS n",
        (ECHO,),
    )
    sql.execute(
        "INSERT INTO schedules (type, name, every_seconds, lane, next_fire_at, state)"
        " SELECT %s, n::text, 60, 'system', now() + n * interval '1 s',"
        " CASE WHEN n %% 9 > 0 THEN 'active' ELSE 'paused' END FROM generate_series(1, 5000) AS n",
        (ECHO,),
    )
    if analyzed:
        sql.execute("ANALYZE")
    lanes = [
        *explain(sql, "take_ready_lanes", {"types": [ECHO], "lanes_per_type": 200}),
        *explain(sql, "ripen_lanes", RIPEN),
    ]
    schedules = explain(sql, "take_due_schedules", {"limit": 1000})
    assert sum(read.rows for read in lanes if read.table == "lanes") == 0
    assert sum(read.rows for read in schedules) == 0


def test_taking_many_ready_lanes_reads_as_many_as_it_takes(sql: psycopg.Connection) -> None:
    add_servant(sql)
    sql.execute(
        "INSERT INTO lanes (type, lane, due_at, ready)"
        " SELECT %s, 'account:' || n, now(), true FROM generate_series(1, 5000) AS n",
        (ECHO,),
    )
    sql.execute("ANALYZE")
    reads = explain(sql, "take_ready_lanes", {"types": [ECHO], "lanes_per_type": 200})
    assert sum(read.rows for read in reads if read.table == "lanes") == 200
