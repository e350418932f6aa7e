"""How bulk operations reach their rows: by index, a window at a time, however much there is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres.bulk_pages import START, Place, _params
from tests.support.bulk import bounded, fail_jobs
from tests.support.factories import add_jobs, queue_jobs
from tests.support.plans import Read, explain, explain_prepared

WINDOW = 100

#: A page looks at its window, at the jobs it found once more, and at little beside them.
READS = 4 * WINDOW

#: What each page begins with.
FIRST = ("read_along_indexes",)


@pytest.fixture(params=["true", "of an empty table"])
def waiting(sql: psycopg.Connection, request: pytest.FixtureRequest) -> psycopg.Connection:
    """Much that waits in one lane, a little in another; the planner's statistics are true, or older than the flood."""
    if request.param == "of an empty table":
        sql.execute("ANALYZE")
    add_jobs(sql, 20_000, lane="account:1")
    add_jobs(sql, 20, lane="account:4")
    queue_jobs(sql, add_jobs(sql, 20, lane="account:4"))
    if request.param == "true":
        sql.execute("ANALYZE")
    return sql


@pytest.fixture(params=["true", "of an empty table"])
def ended(sql: psycopg.Connection, request: pytest.FixtureRequest) -> psycopg.Connection:
    """Five days of history, one failure in ten, and the retries of some."""
    if request.param == "of an empty table":
        sql.execute("ANALYZE")
    for day in range(5):
        sql.execute(
            f"CREATE TABLE history_day_{day} PARTITION OF job_history"
            f" FOR VALUES FROM ('2026-01-0{day + 1} 00:00+00') TO ('2026-01-0{day + 2} 00:00+00')".encode()
        )
    sql.execute(
        "INSERT INTO job_history (id, type, lane, state, reason, retry_of, finished_at)"
        " SELECT n, 'system.echo', 'account:1', state, CASE state WHEN 'failed' THEN 'permanent' ELSE 'complete' END"
        "::job_reason, CASE WHEN n % 100 = 0 THEN n - 1000 END,"
        " '2026-01-01 00:00+00'::timestamptz + n * interval '20 s'"
        " FROM generate_series(1, 20000) AS n,"
        " LATERAL (SELECT CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'completed' END::job_state AS state) AS one"
    )
    if request.param == "true":
        sql.execute("ANALYZE")
    return sql


def params(sql: psycopg.Connection, operation: str, after: Place, **wanted: Any) -> dict[str, Any]:
    given = _params(bounded(sql, operation, **wanted), after)
    return given | {"limit": WINDOW, "window": WINDOW, "first_lane": "account:4", "last_lane": "account:4"}


def assert_by_index(reads: list[Read], tables: str) -> None:
    mine = [read for read in reads if read.table.startswith(tables)]
    assert mine
    assert sum(read.rows for read in mine) <= READS, mine
    assert not [read for read in mine if read.node == "Seq Scan" and read.rows > 0]


@pytest.mark.parametrize("explained", [explain, explain_prepared])
def test_a_window_of_unfinished_jobs(waiting: psycopg.Connection, explained: Callable[..., list[Read]]) -> None:
    given = params(waiting, "cancel", Place(9_000, None), account_id=12)
    assert_by_index(explained(waiting, "find_bulk_unfinished", given, after=FIRST), "jobs")


@pytest.mark.parametrize("explained", [explain, explain_prepared])
def test_the_jobs_of_a_small_lane(waiting: psycopg.Connection, explained: Callable[..., list[Read]]) -> None:
    given = params(waiting, "cancel", START, type="system.echo", lane="account:4")
    assert_by_index(explained(waiting, "find_bulk_unfinished_of_type", given, after=FIRST), "jobs")


@pytest.mark.parametrize("explained", [explain, explain_prepared])
def test_the_jobs_of_a_large_lane_are_not_read_to_the_end(
    waiting: psycopg.Connection, explained: Callable[..., list[Read]]
) -> None:
    lanes = {"first_lane": "account:1", "last_lane": "account:1"}
    given = params(waiting, "cancel", START, type="system.echo", lane="account:1") | lanes
    assert_by_index(explained(waiting, "find_bulk_unfinished_of_type", given, after=FIRST), "jobs")


@pytest.mark.parametrize("explained", [explain, explain_prepared])
def test_a_window_of_failures(ended: psycopg.Connection, explained: Callable[..., list[Read]]) -> None:
    noon = datetime(2026, 1, 3, 12, tzinfo=UTC)
    given = params(ended, "retry", Place(5_000, noon), until=noon + timedelta(hours=6), everything=False)
    reads = explained(ended, "find_bulk_finished", given, after=FIRST)
    assert_by_index(reads, "history_day")
    # Of the days before nothing is read.
    assert sum(read.rows for read in reads if read.table in ("history_day_0", "history_day_1")) == 0


def test_moving_jobs_reads_those_jobs(waiting: psycopg.Connection) -> None:
    ids = add_jobs(waiting, WINDOW)
    reads = explain(waiting, "reschedule_jobs", {"ids": ids, "run_at": datetime.now(UTC)})
    assert_by_index(reads, "jobs")


def test_failures_are_found_behind_many_that_ended_at_the_same_moment(sql: psycopg.Connection) -> None:
    """They are settled in batches, which share one time."""
    fail_jobs(sql, 3_000)
    sql.execute("ANALYZE")
    (middle,) = sql.execute("SELECT max(id) - 50, max(finished_at) FROM job_history").fetchall()
    reads = explain(sql, "find_bulk_finished", params(sql, "retry", Place(*middle), type="system.echo"), after=FIRST)
    assert sum(read.rows for read in reads if read.table.startswith("job_history")) <= 3_000 + READS
