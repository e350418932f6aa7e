"""How pages of jobs reach their rows: along one index each, and no more of them than a page looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.job_query import parse_query
from infra.postgres import job_search
from infra.postgres.job_criteria import look_up
from infra.postgres.job_paths import paths
from infra.postgres.statements import statement
from scheduler.retain import make_partition
from tests.support.plans import Read, explain, explain_prepared

#: Finished jobs on three days, and jobs that wait; one in fifty of the finished ones failed.
PAST, WAITING = 30_000, 20_000

#: What one page may look at: a few windows of it.
WINDOW = 51


@pytest.fixture(scope="module", params=["true", "of an empty table"])
def statistics(request: pytest.FixtureRequest) -> str:
    """The planner's statistics: true, or older than all jobs."""
    return str(request.param)


@pytest.fixture
def busy(sql: psycopg.Connection, statistics: str) -> psycopg.Connection:
    today = datetime.now(UTC).date()
    with sql.transaction():
        for days in range(4):
            make_partition(sql, "job_history", today - timedelta(days=days))
    if statistics == "of an empty table":
        sql.execute("ANALYZE")
    sql.execute("INSERT INTO accounts (name) SELECT 'customer ' || n FROM generate_series(1, 50) AS n")
    sql.execute(_PAST, {"count": PAST})
    sql.execute(_WAITING, {"count": WAITING})
    sql.execute("UPDATE jobs SET state = 'queued', reason = 'dispatch' WHERE mod(id, 1000) = 0")
    if statistics == "true":
        sql.execute("ANALYZE")
    return sql


# Up to noon, so that no day has so few that its table is read as a whole, whatever the time is now.
_PAST = """
INSERT INTO job_history (
    id, type, account_id, lane, state, reason, schedule_id, fire_at, group_id, retry_of, error, finished_at
)
SELECT
    nextval('jobs_id_seq'), (ARRAY['email.sync', 'salesforce.sync', 'calendar.sync'])[1 + n %% 3], 1 + n * 7 %% 50,
    'account:' || 1 + n * 7 %% 50, CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'completed' END::job_state,
    CASE WHEN n %% 50 = 0 THEN 'exhausted' ELSE 'complete' END::job_reason,
    CASE WHEN n %% 10 = 0 THEN 1 + n %% 7 END, CASE WHEN n %% 10 = 0 THEN now() END,
    CASE WHEN n %% 10 = 1 THEN 1 + n %% 7 END, CASE WHEN n %% 100 = 0 THEN n END,
    CASE WHEN n %% 50 = 0 THEN jsonb_build_object('kind', 'E', 'fingerprint', lpad((n %% 9)::text, 8, '0')) END,
    date_trunc('day', now(), 'UTC') + interval '12 h' - n * interval '8 s'
FROM generate_series(1, %(count)s) AS n
"""
_WAITING = """
INSERT INTO jobs (type, account_id, lane)
SELECT
    CASE WHEN n %% 1000 = 0 THEN 'calendar.sync' ELSE 'email.sync' END, 1 + n * 7 %% 50, 'account:' || 1 + n * 7 %% 50
FROM generate_series(1, %(count)s) AS n
"""


def reads_of(sql: psycopg.Connection, text: str, *, prepared: bool) -> dict[str, list[Read]]:
    """What the ways to the jobs of a query read, for one page each."""
    criteria = look_up(sql, parse_query(text))
    found: dict[str, list[Read]] = {}
    for _, ways in paths(criteria):
        for way in ways:
            params: dict[str, Any] = criteria.params(way.states) | way.params
            params |= {"before_id": 2**62, "before_at": datetime(9000, 1, 1, tzinfo=UTC), "limit": WINDOW}
            params["window"] = way.whole or WINDOW
            name = job_search._NARROW.get(way.statement, way.statement)
            with job_search.along_indexes(sql):
                found[name] = (explain_prepared if prepared else explain)(sql, name, params)
    return found


#: A query, and the rows it may read of finished jobs and of unfinished ones: a few windows, whatever there is.
CASES = [
    ("", 3 * 5 * WINDOW, WINDOW + 100),
    ("state:completed", 3 * 5 * WINDOW, 0),
    ("state:failed", 5 * WINDOW, 0),
    ("type:email.sync state:ended", 5 * WINDOW, 0),
    ("type:email.sync state:failed", 5 * WINDOW, 0),
    ("account:7 state:ended", 5 * WINDOW, 0),
    ("account:7 state:failed", 5 * WINDOW, 0),
    ("account:7 type:email.sync state:failed", 5 * WINDOW, 0),
    ("fingerprint:00000005 state:failed", 5 * WINDOW, 0),
    ("schedule:4 state:ended", 5 * WINDOW, 0),
    ("group:3", 5 * WINDOW, 2 * WINDOW),
    ("retry_of:300 state:ended", 10, 0),
    ("id:4711,25000", 10, 10),
    ("state:pending type:calendar.sync", 0, 100 + WINDOW),
    ("state:pending", 0, WINDOW),
    ("state:queued", 0, 100),
    ("before:1d state:failed", 5 * WINDOW, 0),
]


@pytest.mark.parametrize("prepared", [False, True])
def test_no_page_reads_more_than_it_looks_at(busy: psycopg.Connection, *, prepared: bool) -> None:
    greedy = {}
    for text, past_rows, waiting_rows in CASES:
        reads = [read for one in reads_of(busy, text, prepared=prepared).values() for read in one]
        past = sum(read.rows for read in reads if read.table.startswith("job_history"))
        waiting = sum(read.rows for read in reads if read.table == "jobs")
        scanned = [read for read in reads if read.node == "Seq Scan" and read.rows > WINDOW]
        if past > past_rows or waiting > waiting_rows or scanned:
            greedy[text] = (past, waiting, scanned)
    assert greedy == {}


def test_types_are_known_without_reading_their_jobs(busy: psycopg.Connection) -> None:
    reads = explain(busy, "list_known_types", {})
    assert sum(read.rows for read in reads if read.table.startswith("job")) < 200
    assert [row[0] for row in busy.execute(statement("list_known_types"))] == [
        "calendar.sync",
        "email.sync",
        "salesforce.sync",
    ]


def test_what_a_failed_attempt_kept_is_read_by_its_index(busy: psycopg.Connection) -> None:
    busy.execute(
        "INSERT INTO job_events (job_id, attempt, from_state, to_state, reason, evidence)"
        " SELECT n, 1, 'running', 'pending', 'retry', '{}' FROM generate_series(1, 5000) AS n"
    )
    reads = explain(busy, "read_evidence", {"id": 7, "attempt": 1})
    assert sum(read.rows for read in reads) <= 2


def test_late_failures_are_all_that_suggestions_read(busy: psycopg.Connection) -> None:
    reads = explain(busy, "suggest_errors", {"pattern": "%", "window": 100, "limit": 10})
    assert sum(read.rows for read in reads) <= 150


def test_retries_are_found_by_their_indexes(busy: psycopg.Connection) -> None:
    params = {"id": 300, "type": "email.sync", "unique_key": None, "limit": 20}
    assert sum(read.rows for read in explain(busy, "list_retries", params)) <= 5
