"""Figures about the past: made once a minute is over, whatever commits late, and equal to counting history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest

from infra.postgres.arrays import numbers
from infra.postgres.connect import Database
from infra.postgres.figures import Span, figures
from infra.postgres.statements import statement
from retinue.histogram import BOUNDS
from retinue.states import JobState
from scheduler import rollup as module
from scheduler.rollup import BATCH, DAY, HOUR, MINUTE, Rollup, floor
from tests.support.factories import ECHO, run_jobs, settle_one
from tests.support.history import add_finished, run_out
from tests.support.plans import read_plan
from tests.support.race import together


@pytest.fixture
def rollup(database: Database) -> Rollup:
    return Rollup(database, figures_days=400)


@pytest.fixture
def minute(sql: psycopg.Connection) -> datetime:
    """The start of a minute that ended a few minutes ago, by the database's clock."""
    row = sql.execute("SELECT now()").fetchone()
    assert row is not None
    return floor(row[0].astimezone(UTC), MINUTE) - 5 * MINUTE


def counted(sql: psycopg.Connection) -> list[tuple[object, ...]]:
    """What counting history says, the total of each minute among it."""
    return sql.execute(
        "SELECT date_trunc('minute', finished_at, 'UTC'), type, account_id, state, count(*) FROM job_history"
        " WHERE account_id IS NOT NULL GROUP BY 1, 2, 3, 4"
        " UNION ALL SELECT date_trunc('minute', finished_at, 'UTC'), type, NULL, state, count(*) FROM job_history"
        " GROUP BY 1, 2, 4 ORDER BY 1, 2, 3, 4"
    ).fetchall()


def rolled(sql: psycopg.Connection) -> list[tuple[object, ...]]:
    query = "SELECT starts_at, type, account_id, state, jobs FROM account_rollups ORDER BY 1, 2, 3, 4"
    return sql.execute(query).fetchall()


def hand_back_a_minute(sql: psycopg.Connection, job_id: int) -> None:
    """Let it be a minute later than it was when this job finished."""
    sql.execute("UPDATE job_history SET finished_at = finished_at - interval '2 minutes' WHERE id = %s", (job_id,))
    sql.execute("UPDATE job_rollups SET minute = minute - interval '2 minutes'")
    sql.execute("UPDATE rollup_progress SET rolled_until = rolled_until - interval '4 minutes'")


def test_the_figures_are_those_of_history(sql: psycopg.Connection, rollup: Rollup, minute: datetime) -> None:
    for offset in (0, 1, 30, 59.999, 60, 130):
        for account_id in (None, 1, 2):
            for state in ("completed", "failed"):
                at = minute + timedelta(seconds=offset)
                add_finished(sql, 3, at, account_id=account_id, state=state)
    run_out(rollup)
    assert rolled(sql) == counted(sql)


def test_the_minute_that_is_not_over_has_no_figures(sql: psycopg.Connection, rollup: Rollup) -> None:
    row = sql.execute("SELECT now()").fetchall()[0]
    add_finished(sql, 1, row[0])
    run_out(rollup)
    assert [starts_at for starts_at, *_ in rolled(sql) if starts_at >= floor(row[0], MINUTE)] == []  # type: ignore[operator] # a moment


def test_settled_jobs_have_figures(sql: psycopg.Connection, database: Database, rollup: Rollup) -> None:
    """Through the engine's own settle, moved two minutes back."""
    rollup.run_once()
    (held,) = run_jobs(sql)
    settle_one(sql, held)
    hand_back_a_minute(sql, held.id)
    run_out(rollup)
    ((_, job_type, account_id, state, jobs),) = rolled(sql)
    assert (job_type, account_id, state, jobs) == (ECHO, None, "completed", 1)


def test_a_settle_that_has_not_committed_holds_its_minute_up(
    sql: psycopg.Connection, database_url: str, rollup: Rollup, minute: datetime
) -> None:
    """Its job will have finished when its transaction began: a minute that was made before would lack it."""
    add_finished(sql, 1, minute)
    with psycopg.connect(database_url) as settling:
        began = settling.execute("SELECT now()").fetchall()[0][0]
        run_out(rollup)
        until = sql.execute("SELECT rolled_until FROM rollup_progress").fetchall()[0][0]
        assert minute + MINUTE <= until <= began
        add_finished(settling, 2, began)
        run_out(rollup)
        assert sql.execute("SELECT rolled_until FROM rollup_progress").fetchall()[0][0] <= began


def test_the_watermark_is_the_start_of_the_oldest_transaction(
    sql: psycopg.Connection, database_url: str, database: Database
) -> None:
    """What proves the watermark: a session's `now()` is what it is shown to have begun at, until others see it end."""
    with psycopg.connect(database_url) as oldest, psycopg.connect(database_url) as newer:
        began = oldest.execute("SELECT now()").fetchall()[0][0]
        newer.execute("SELECT now()")
        assert final_until(database) == began
        oldest.commit()
        assert final_until(database) > began


def final_until(database: Database) -> datetime:
    with database.transaction() as connection:
        connection.execute(statement("begin_rollups"))
        row = connection.execute(statement("take_rollup_progress"), {"patience_seconds": 600}).fetchone()
    assert row is not None
    final: datetime = row[3]
    return final


def test_a_transaction_that_never_ends_holds_the_figures_up_no_longer_than_a_while(
    sql: psycopg.Connection, database_url: str, rollup: Rollup, monkeypatch: pytest.MonkeyPatch, minute: datetime
) -> None:
    monkeypatch.setattr(module, "PATIENCE", timedelta(0))
    add_finished(sql, 1, minute)
    with psycopg.connect(database_url) as idle:
        idle.execute("SELECT 1")
        run_out(rollup)
    assert rolled(sql) == counted(sql)


def test_what_came_late_is_mended_when_its_minute_is_checked(
    sql: psycopg.Connection, rollup: Rollup, monkeypatch: pytest.MonkeyPatch, minute: datetime
) -> None:
    add_finished(sql, 2, minute, account_id=1)
    run_out(rollup)
    add_finished(sql, 1, minute, account_id=1)
    run_out(rollup)
    assert rolled(sql) != counted(sql)
    monkeypatch.setattr(module, "CHECK_AFTER", timedelta(0))
    run_out(rollup)
    assert rolled(sql) == counted(sql)


def test_a_minute_is_checked_once(
    sql: psycopg.Connection, rollup: Rollup, monkeypatch: pytest.MonkeyPatch, minute: datetime
) -> None:
    monkeypatch.setattr(module, "CHECK_AFTER", timedelta(0))
    add_finished(sql, 2, minute)
    run_out(rollup)
    row = sql.execute("SELECT rolled_until = checked_until FROM rollup_progress").fetchone()
    assert row == (True,)


def test_making_a_minute_again_changes_nothing(sql: psycopg.Connection, rollup: Rollup, minute: datetime) -> None:
    add_finished(sql, 4, minute, account_id=1)
    run_out(rollup)
    before = rolled(sql)
    sql.execute("UPDATE rollup_progress SET rolled_until = %s", (minute - MINUTE,))
    run_out(rollup)
    assert rolled(sql) == before != []


def test_several_schedulers_make_each_minute_once(
    sql: psycopg.Connection, database: Database, rollup: Rollup, minute: datetime
) -> None:
    for offset in range(-30, 3):
        add_finished(sql, 2, minute + offset * MINUTE, account_id=1)
    others = [Rollup(database, figures_days=400) for _ in range(2)]
    together([partial(run_out, one) for one in (rollup, *others)])
    run_out(rollup)
    assert rolled(sql) == counted(sql)


def test_after_an_outage_the_minutes_are_made_in_batches(
    sql: psycopg.Connection, rollup: Rollup, minute: datetime
) -> None:
    add_finished(sql, 1, minute - 3 * HOUR)
    first = rollup.run_once()
    assert (first.done, first.again_after) == (BATCH // MINUTE, 0)
    assert run_out(rollup) >= 170
    assert rolled(sql) == counted(sql)


def test_jobs_of_a_type_that_no_servant_announced_count(
    sql: psycopg.Connection, rollup: Rollup, minute: datetime
) -> None:
    add_finished(sql, 1, minute, job_type="never.announced", state="cancelled", run_seconds=None)
    run_out(rollup)
    assert [(row[1], row[3]) for row in rolled(sql)] == [("never.announced", "cancelled")]


def test_old_minutes_become_hours_and_old_hours_days(
    sql: psycopg.Connection, database: Database, rollup: Rollup, minute: datetime
) -> None:
    day = floor(minute - 40 * DAY, DAY)
    recent = floor(minute - 10 * DAY, HOUR)
    for at in (day, day + 3 * HOUR, day + 3 * HOUR + MINUTE, recent + MINUTE, recent + 2 * MINUTE, minute):
        add_finished(sql, 2, at, account_id=1)
    sql.execute("INSERT INTO rollup_progress VALUES (true, %s, %s)", (day, day))
    for since in (day, day + 3 * HOUR, recent, minute - MINUTE):
        sql.execute("UPDATE rollup_progress SET rolled_until = %s", (since,))
        run_out_one(rollup)
    sql.execute("UPDATE rollup_progress SET rolled_until = %s", (minute + MINUTE,))
    run_out(rollup)
    query = "SELECT step_seconds, starts_at, jobs FROM account_rollups WHERE account_id = 1 ORDER BY starts_at"
    assert sql.execute(query).fetchall() == [(86_400, day, 6), (3_600, recent, 4), (60, minute, 2)]
    found = figures(database, Span(day, minute + MINUTE, DAY), account_id=1)
    assert sum(figure.jobs[JobState.COMPLETED] for figure in found) == 12
    assert all(sum(figure.run.counts) == figure.jobs[JobState.COMPLETED] for figure in found)


def run_out_one(rollup: Rollup) -> None:
    """One batch, without the catching up that would follow."""
    rollup.run_once()


def test_no_hour_is_folded_before_its_minutes_are_made(
    sql: psycopg.Connection, rollup: Rollup, minute: datetime
) -> None:
    """After an outage of days the first minutes of an hour may be figures while its last are history yet."""
    hour = floor(minute - 3 * DAY, HOUR)
    for at in (hour, hour + 59 * MINUTE):
        add_finished(sql, 1, at)
    sql.execute("INSERT INTO rollup_progress VALUES (true, %s, %s)", (hour, hour))
    while sql.execute("SELECT rolled_until < %s FROM rollup_progress", (hour + HOUR,)).fetchone() == (True,):
        assert sql.execute("SELECT count(*) FROM account_rollups WHERE step_seconds > 60").fetchone() == (0,)
        rollup.run_once()
    rollup.run_once()
    assert sql.execute("SELECT step_seconds, jobs FROM account_rollups").fetchall() == [(3_600, 2)]


def test_figures_beyond_their_days_are_forgotten(sql: psycopg.Connection, database: Database, minute: datetime) -> None:
    empty = "array_fill(0::bigint, ARRAY[21])"
    for step, age in ((86_400, 31), (86_400, 29), (3_600, 31)):
        sql.execute(
            f"INSERT INTO account_rollups SELECT %s, %s, 'a.b', NULL, 'completed', 1, 0, 0, {empty}, {empty}".encode(),
            (step, floor(minute, DAY) - age * DAY),
        )
    Rollup(database, figures_days=30).run_once()
    assert [row[0] for row in sql.execute("SELECT starts_at FROM account_rollups")] == [floor(minute, DAY) - 29 * DAY]


def test_a_minute_of_history_is_read_by_index(sql: psycopg.Connection, minute: datetime) -> None:
    for offset in range(-200, 1):
        add_finished(sql, 100, minute + offset * MINUTE)
    sql.execute("ANALYZE job_history")
    params = {"type": ECHO, "since": minute - MINUTE, "until": minute, "bounds": numbers(BOUNDS)}
    plan = read_plan(sql, "roll_minutes", params)
    assert "job_history_default_type_finished_at_idx" in plan
    assert "Seq Scan" not in plan
