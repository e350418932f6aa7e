"""What the overview reads, and that it reads little."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.figures import DAY, DAY_STEP, Span
from infra.postgres.finished_sums import FinishedSums
from infra.postgres.overview import COUNT_CAP, LOST_SHOWN_SECONDS, MAX_PROCESSES, OverviewReader, TypeFigures
from infra.postgres.settle import settle_jobs
from infra.postgres.statements import statement
from retinue.settlement import Settlement
from retinue.states import JobState, Reason
from tests.support.overview_rows import (
    add_account,
    add_finished,
    add_jobs,
    add_scheduler,
    add_servant,
    add_type,
    current_job,
)


def types(reader: OverviewReader) -> dict[str, TypeFigures]:
    return {figures.type: figures for figures in reader.read().types}


@pytest.fixture
def reader(database: Database) -> OverviewReader:
    return OverviewReader(database)


def test_an_empty_database_has_nothing_to_show(reader: OverviewReader) -> None:
    found = reader.read()

    assert (found.types, found.servants, found.servants_left_out, found.schedulers) == ([], [], 0, [])
    assert found.at.utcoffset() is not None


def test_jobs_are_counted_by_type_and_state(reader: OverviewReader, sql: psycopg.Connection) -> None:
    add_type(sql, "a.sync", slots=3)
    add_type(sql, "idle.sync", paused=True)
    for state, count in {"pending": 5, "queued": 2, "running": 1}.items():
        add_jobs(sql, "a.sync", state, count)
    add_jobs(sql, "never.registered", "pending", 4)
    add_jobs(sql, "also.unknown", "running", 1)

    found = types(reader)

    assert {name: tuple(figures.unfinished.values()) for name, figures in found.items()} == {
        "a.sync": (5, 2, 1),
        "also.unknown": (0, 0, 1),
        "idle.sync": (0, 0, 0),
        "never.registered": (4, 0, 0),
    }
    assert [found[name].slots for name in ("a.sync", "never.registered")] == [3, None]
    assert found["idle.sync"].paused_at is not None


def test_counting_stops_one_past_the_cap(reader: OverviewReader, sql: psycopg.Connection) -> None:
    add_jobs(sql, "a.sync", "queued", COUNT_CAP + 500)
    add_jobs(sql, "b.sync", "queued", COUNT_CAP)

    found = types(reader)

    assert found["a.sync"].unfinished[JobState.QUEUED] == COUNT_CAP + 1
    assert found["b.sync"].unfinished[JobState.QUEUED] == COUNT_CAP


def test_jobs_that_wait_are_what_lanes_say_and_the_notes_to_them(
    reader: OverviewReader, sql: psycopg.Connection
) -> None:
    add_jobs(sql, "a.sync", "pending", COUNT_CAP + 500)
    sql.execute(
        "INSERT INTO lanes (type, lane, pending) VALUES ('a.sync', 'account:41', 7), ('a.sync', 'account:42', 0)"
    )
    sql.execute("INSERT INTO lane_wakes (type, lane, pending) VALUES ('a.sync', 'account:41', -3), ('gone', 'x', -1)")

    found = types(reader)

    assert found["a.sync"].unfinished[JobState.PENDING] == COUNT_CAP + 504
    assert "gone" not in found


def test_no_job_is_looked_at_to_say_how_many_wait(sql: psycopg.Connection) -> None:
    plan = sql.execute(b"EXPLAIN (FORMAT JSON) " + statement("overview_pending")).fetchone()

    assert plan is not None
    assert {node.get("Relation Name") for node in plan_nodes(plan[0][0]["Plan"])} == {None, "lanes", "lane_wakes"}


def plan_nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in plan_nodes(child))]


@pytest.mark.parametrize("statistics", ["fresh", "of an empty table"])
def test_no_count_reads_the_table_whatever_the_statistics_say(sql: psycopg.Connection, statistics: str) -> None:
    if statistics == "of an empty table":
        sql.execute("ANALYZE jobs")
        sql.execute("ALTER TABLE jobs SET (autovacuum_enabled = off)")
    for name in ("a.sync", "b.sync"):
        add_type(sql, name)
    add_jobs(sql, "a.sync", "pending", 120_000)
    for state, count in {"pending": 3, "queued": 40, "running": 40}.items():
        add_jobs(sql, "b.sync", state, count)
    if statistics == "fresh":
        sql.execute("VACUUM ANALYZE jobs")

    explain = b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement("overview_types")
    with sql.transaction():
        sql.execute(statement("read_along_indexes"))
        row = sql.execute(explain, {"count_limit": COUNT_CAP + 1, "pending_types": ["a.sync"]}).fetchone()

    assert row is not None
    nodes = [node for node in plan_nodes(row[0][0]["Plan"]) if node.get("Relation Name") == "jobs"]
    assert {node["Node Type"] for node in nodes} <= {"Index Scan", "Index Only Scan"}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes) < 300


def test_finished_jobs_come_from_the_rollups(reader: OverviewReader, sql: psycopg.Connection) -> None:
    add_type(sql, "a.sync")
    add_finished(sql, "a.sync", "completed", 5)
    add_finished(sql, "a.sync", "completed", 7, hours_ago=23.5)
    add_finished(sql, "a.sync", "completed", 11, hours_ago=24.1)
    add_finished(sql, "a.sync", "failed", 13, hours_ago=24.9)
    add_finished(sql, "a.sync", "failed", 17, hours_ago=30)
    add_finished(sql, "a.sync", "cancelled", 19, hours_ago=900)
    add_finished(sql, "gone.sync", "completed", 2, hours_ago=100)

    found = types(reader)

    assert found["a.sync"].last_day == {"completed": 12, "failed": 0, "cancelled": 0}
    assert found["a.sync"].in_all == {"completed": 23, "failed": 30, "cancelled": 19}
    assert found["gone.sync"].in_all[JobState.COMPLETED] == 2


def test_what_finishes_shows_at_the_next_read(reader: OverviewReader, sql: psycopg.Connection) -> None:
    add_type(sql, "a.sync")
    add_finished(sql, "a.sync", "completed", 3, hours_ago=50)
    add_jobs(sql, "a.sync", "running", 2)
    assert types(reader)["a.sync"].in_all[JobState.COMPLETED] == 3

    row = sql.execute("SELECT min(id) FROM jobs").fetchone()
    assert row is not None
    done = Settlement(job_id=row[0], attempt=0, state=JobState.COMPLETED, reason=Reason.COMPLETE)
    with sql.transaction():
        settle_jobs(sql, [(done, 0.5)], shard=3)

    found = types(reader)["a.sync"]
    assert found.in_all[JobState.COMPLETED] == 4
    assert found.last_day[JobState.COMPLETED] == 1
    assert found.unfinished[JobState.RUNNING] == 1


@pytest.mark.parametrize("step", [timedelta(minutes=1), timedelta(minutes=7), timedelta(hours=3), timedelta(days=2)])
def test_minutes_that_are_over_are_counted_once(sql: psycopg.Connection, step: timedelta) -> None:
    now = datetime.now(UTC)
    for number in range(60):
        add_finished(sql, "a.sync", "completed", 1 + number, hours_ago=0.7 * number)
    sums = FinishedSums()
    for look in range(6):
        at = now + look * step
        # What finishes between two looks.
        add_finished(sql, "b.sync", "failed", 1, hours_ago=(now - at) / timedelta(hours=1))
        last_day = finished(sql, Span.until_now(at, DAY, DAY_STEP).since)
        assert sums.read(sql, at) == (last_day, finished(sql, at - timedelta(days=999)))


def finished(sql: psycopg.Connection, since: datetime) -> Counter[tuple[str, JobState]]:
    """What the rollups say since a moment."""
    rows = sql.execute(
        "SELECT type, state::text, sum(jobs) FROM job_rollups WHERE minute >= %s GROUP BY 1, 2", (since,)
    )
    return Counter({(name, JobState(state)): int(jobs) for name, state, jobs in rows})


def test_servants_show_what_they_hold_for_whom(reader: OverviewReader, sql: psycopg.Connection) -> None:
    account = add_account(sql, "Northwind")
    held = [current_job(7, account=account, done=1, total=2), current_job(8), current_job(9, account=999)]
    add_servant(sql, "a.sync", jobs=held)

    [servant] = reader.read().servants

    assert servant.current_jobs == held
    assert servant.account_names == {str(account): "Northwind"}
    assert (servant.busy, servant.slots, servant.state) == (3, 8, "active")


def test_processes_that_ended_properly_are_not_shown_and_silent_ones_for_a_while(
    reader: OverviewReader, sql: psycopg.Connection
) -> None:
    shown = [
        add_servant(sql, "a.sync"),
        add_servant(sql, "b.sync", state="draining"),
        add_servant(sql, "a.sync", silent_seconds=2 * LOST_SHOWN_SECONDS),  # nobody has marked it lost yet
        add_servant(sql, "a.sync", state="lost", silent_seconds=LOST_SHOWN_SECONDS - 60),
    ]
    add_servant(sql, "a.sync", state="lost", silent_seconds=LOST_SHOWN_SECONDS + 1)
    add_servant(sql, "a.sync", state="stopped")
    schedulers = [add_scheduler(sql), add_scheduler(sql, silent_seconds=LOST_SHOWN_SECONDS - 60)]
    add_scheduler(sql, silent_seconds=LOST_SHOWN_SECONDS + 1)
    sql.execute("UPDATE schedulers SET stopped_at = now() WHERE id = %s", (add_scheduler(sql),))

    found = reader.read()

    assert [row.id for row in found.servants] == [shown[0], shown[2], shown[1], shown[3]]
    assert [row.id for row in found.schedulers] == schedulers


def test_a_large_fleet_is_cut_off_and_counted(reader: OverviewReader, sql: psycopg.Connection) -> None:
    sql.execute(
        "INSERT INTO servants (type, host, pid, version, slots, current_jobs)"
        " SELECT 'a.sync', 'h', n, '1', 8, %s FROM generate_series(1, %s) AS n",
        (json.dumps([current_job(1)]), MAX_PROCESSES + 5),
    )

    found = reader.read()

    assert (len(found.servants), found.servants_left_out) == (MAX_PROCESSES, 5)


def test_whoever_is_in_trouble_is_not_cut_off(reader: OverviewReader, sql: psycopg.Connection) -> None:
    sql.execute(
        "INSERT INTO servants (type, host, pid, version, slots) SELECT 'a.sync', 'h', n, '1', 8"
        " FROM generate_series(1, %s) AS n",
        (MAX_PROCESSES + 5,),
    )
    late = add_servant(sql, "z.sync", silent_seconds=15)
    lost = add_servant(sql, "z.sync", state="lost", silent_seconds=60)

    assert {late, lost} <= {row.id for row in reader.read().servants}
