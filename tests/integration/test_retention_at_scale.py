"""Dropping a day takes no longer for millions of jobs than for one: no row is deleted one by one."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.connect import Database
from scheduler.retain import Retain, make_partition

#: What the drop may write ahead, in bytes: changes of the catalogue. Deleting a row writes at least 50.
MAX_WAL = 1_000_000

#: Rows of one INSERT.
CHUNK = 500_000


def fill_a_day(sql: psycopg.Connection, rows: int) -> str:
    """A day beyond the history with that many finished jobs; the name of its partition."""
    day = datetime.now(UTC).date() - timedelta(days=30)
    with sql.transaction():
        make_partition(sql, "job_history", day)
    partition = f"job_history_{day:%Y%m%d}"
    # What a vacuum writes meanwhile would count as the drop's.
    sql.execute(f"ALTER TABLE {partition} SET (autovacuum_enabled = off)".encode())
    for start in range(0, rows, CHUNK):
        sql.execute(
            "INSERT INTO job_history (id, type, account_id, lane, state, reason, attempt, created_at, run_at,"
            " queued_at, claimed_at, servant_id, payload, finished_at, run_seconds)"
            " SELECT n, 'system.echo', n %% 100, 'account:' || n %% 100, 'completed', 'complete', 1, moment.at,"
            ' moment.at, moment.at, moment.at, 1, \'{"message": "a payload"}\', moment.at, 0.01'
            " FROM generate_series(%(start)s::bigint, %(end)s::bigint) AS n,"
            " LATERAL (SELECT %(day)s::timestamptz + n * interval '1 day' / %(rows)s AS at) AS moment",
            {"start": start, "end": min(rows, start + CHUNK) - 1, "day": f"{day} 00:00:00+00", "rows": rows},
        )
    return partition


def wal_written(sql: psycopg.Connection) -> int:
    row = sql.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
    assert row is not None
    return int(row[0])


def drop_a_day(sql: psycopg.Connection, database: Database, rows: int) -> float:
    """Fill a day and have it dropped; the seconds that the whole pass took."""
    retain = Retain(database, history_days=14)
    retain.run_once()
    partition = fill_a_day(sql, rows)
    size = sql.execute("SELECT count(*) FROM job_history WHERE finished_at < now() - interval '20 days'").fetchone()
    assert size == (rows,)
    before, began = wal_written(sql), time.perf_counter()
    assert retain.run_once().done == 1
    seconds, written = time.perf_counter() - began, wal_written(sql) - before
    assert sql.execute("SELECT to_regclass(%s)", (partition,)).fetchone() == (None,)
    assert written < MAX_WAL < 50 * rows, f"{written} bytes written ahead to drop {rows} rows"
    return seconds


def test_a_day_is_dropped_without_deleting_its_rows(sql: psycopg.Connection, database: Database) -> None:
    drop_a_day(sql, database, 30_000)


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_day_of_ten_million_is_dropped_whole(sql: psycopg.Connection, database: Database) -> None:
    rows = 10_000_000
    seconds = drop_a_day(sql, database, rows)
    print(f"\ndropped a day of {rows:,} finished jobs in {seconds:.3f} s")  # noqa: T201 - what the proof is run for
