"""Reading figures about the past: series with counts and percentiles, by index, whatever was asked before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.figures import Figure, Span, figures
from retinue.states import JobState
from scheduler.rollup import DAY, HOUR, MINUTE, Rollup, floor
from tests.support.factories import ECHO
from tests.support.history import add_finished, run_out
from tests.support.plans import read_plan


@pytest.fixture
def rollup(database: Database) -> Rollup:
    return Rollup(database, figures_days=400)


@pytest.fixture
def minute(sql: psycopg.Connection) -> datetime:
    """The start of a minute that ended a few minutes ago, by the database's clock."""
    row = sql.execute("SELECT now()").fetchone()
    assert row is not None
    return floor(row[0].astimezone(UTC), MINUTE) - 5 * MINUTE


def around(minute: datetime, *, step: timedelta = MINUTE) -> Span:
    return Span(minute - 10 * DAY, minute + DAY, step)


def test_a_series_has_counts_and_percentiles(
    sql: psycopg.Connection, database: Database, rollup: Rollup, minute: datetime
) -> None:
    add_finished(sql, 98, minute, account_id=1, run_seconds=0.2, wait_seconds=0.004)
    add_finished(sql, 2, minute, account_id=2, run_seconds=40, wait_seconds=7, state="failed")
    add_finished(sql, 1, minute + MINUTE, account_id=2, run_seconds=0.0005, wait_seconds=0)
    run_out(rollup)
    first, second = figures(database, around(minute), type=ECHO)
    assert (first.at, first.jobs) == (minute, {JobState.COMPLETED: 98, JobState.FAILED: 2})
    assert first.run.mean == pytest.approx((98 * 0.2 + 2 * 40) / 100)
    assert percentiles(first) == ((0.1, 0.25), (30, 60))
    assert first.wait.p50 == pytest.approx(0.004, abs=0.0025)
    assert (second.at, second.jobs, second.run.seconds) == (minute + MINUTE, {JobState.COMPLETED: 1}, 0.0005)
    (of_one,) = figures(database, around(minute), account_id=1)
    assert of_one.jobs == {JobState.COMPLETED: 98}
    assert figures(database, around(minute), account_id=3) == []
    assert figures(database, around(minute), type="other.type") == []


def percentiles(figure: Figure) -> tuple[tuple[float, float], tuple[float, float]]:
    """The bounds that the median and the 99th percentile are found between."""
    p50, p99 = figure.run.p50, figure.run.p99
    assert p50 is not None
    assert p99 is not None
    bounds = (0.1, 0.25, 0.5, 30, 60)
    return tuple(  # type: ignore[return-value] # two pairs
        (max(b for b in bounds if b < value), min(b for b in bounds if b >= value)) for value in (p50, p99)
    )


def test_steps_add_minutes_up(sql: psycopg.Connection, database: Database, rollup: Rollup, minute: datetime) -> None:
    start = floor(minute - 3 * HOUR, HOUR)
    for offset in (0, 10, 59, 60):
        add_finished(sql, 1, start + offset * MINUTE)
    run_out(rollup)
    found = figures(database, around(minute, step=HOUR))
    assert [(figure.at, figure.jobs[JobState.COMPLETED]) for figure in found] == [(start, 3), (start + HOUR, 1)]


def test_a_job_that_never_ran_is_in_no_histogram(
    sql: psycopg.Connection, database: Database, rollup: Rollup, minute: datetime
) -> None:
    add_finished(sql, 1, minute, state="cancelled", run_seconds=None)
    sql.execute("UPDATE job_history SET claimed_at = NULL")
    run_out(rollup)
    (figure,) = figures(database, around(minute))
    assert figure.jobs == {JobState.CANCELLED: 1}
    assert (figure.run.p50, figure.run.mean, figure.wait.p99) == (None, None, None)


def test_a_job_that_its_own_commit_completed_ran_since_its_claim(
    sql: psycopg.Connection, database: Database, rollup: Rollup, minute: datetime
) -> None:
    add_finished(sql, 1, minute, run_seconds=None)
    run_out(rollup)
    (figure,) = figures(database, around(minute))
    assert figure.run.seconds == pytest.approx(3)


@pytest.mark.parametrize("step", [timedelta(seconds=59), timedelta(0)])
def test_nothing_is_finer_than_a_minute(step: timedelta) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ValueError, match="at least a minute"):
        Span(now, now, step)


def test_a_span_has_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Span(datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC), MINUTE)  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(("account_id", "index"), [(None, "account_rollups_totals"), (7, "account_rollups_by_account")])
def test_figures_are_read_by_index(
    sql: psycopg.Connection, minute: datetime, account_id: int | None, index: str
) -> None:
    """However often: the plan of a prepared statement is still made for its parameters."""
    empty = "array_fill(0::bigint, ARRAY[21])"
    sql.execute(
        "INSERT INTO account_rollups"  # noqa: S608 - the constant above
        f" SELECT 60, %s::timestamptz - m * interval '1 minute', 'a.b', nullif(a, 0), 'completed', 1, 0, 0, {empty},"
        f" {empty} FROM generate_series(1, 300) AS m, generate_series(0, 30) AS a".encode(),
        (minute,),
    )
    sql.execute("ANALYZE account_rollups")
    span = {"since": minute - HOUR, "until": minute, "step_seconds": 60.0, "type": None, "account_id": account_id}
    plans = [read_plan(sql, "read_figures", span) for _ in range(12)]
    assert all(index in plan and "Seq Scan" not in plan for plan in plans)
