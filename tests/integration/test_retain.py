"""Retention: day partitions made ahead and dropped whole, strays moved, settles under way never harmed."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from infra.postgres.connect import Database
from infra.postgres.records import stage_and_merge
from infra.postgres.statements import statement
from scheduler.retain import _RETAIN_LOCK, DAYS_AHEAD, PARTITIONED, Retain, make_partition
from tests.support.assertions import assert_rollups_count_history
from tests.support.factories import add_servant, run_jobs, settle_one
from tests.support.race import in_background, together, wait_until_blocked
from tests.support.stored_records import RecordAccount, at, record, record_account


@pytest.fixture
def retain(database: Database) -> Retain:
    return Retain(database, history_days=14)


def today(sql: psycopg.Connection) -> date:
    day: date = sql.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchall()[0][0]
    return day


def partitions(sql: psycopg.Connection, table: str) -> list[str]:
    """What follows the table's name in those of its partitions."""
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"
    return [row[0].removeprefix(f"{table}_") for row in sql.execute(query, (table,))]


def days(sql: psycopg.Connection, *offsets: int) -> list[str]:
    return [f"{today(sql) + timedelta(days=offset):%Y%m%d}" for offset in offsets]


def finish_jobs(sql: psycopg.Connection, count: int, *, finished: timedelta = timedelta(0)) -> None:
    """Jobs that ended so long from now."""
    for held in run_jobs(sql, count):
        settle_one(sql, held)
        sql.execute("UPDATE job_history SET finished_at = finished_at + %s WHERE id = %s", (finished, held.id))


@pytest.mark.parametrize("table", PARTITIONED)
def test_the_coming_days_have_partitions(sql: psycopg.Connection, retain: Retain, table: str) -> None:
    assert partitions(sql, table) == ["default"]
    assert retain.run_once().done == len(PARTITIONED) * (DAYS_AHEAD + 1)
    assert partitions(sql, table) == [*days(sql, *range(DAYS_AHEAD + 1)), "default"]
    assert retain.run_once().done == 0


def test_finished_jobs_land_in_their_days_partition(sql: psycopg.Connection, retain: Retain) -> None:
    retain.run_once()
    finish_jobs(sql, 2)
    (day,) = days(sql, 0)
    assert sql.execute("SELECT DISTINCT tableoid::regclass::text FROM job_history").fetchall() == [
        (f"job_history_{day}",)
    ]


def test_a_day_beyond_the_history_is_dropped_whole(sql: psycopg.Connection, database: Database, retain: Retain) -> None:
    with database.transaction() as connection:
        for offset in (-16, -15, -14, -1):
            make_partition(connection, "job_history", today(sql) + timedelta(days=offset))
    retain.run_once()
    assert partitions(sql, "job_history") == [*days(sql, -14, -1, *range(DAYS_AHEAD + 1)), "default"]
    assert sql.execute("SELECT to_regclass(%s)", (f"job_history_{days(sql, -15)[0]}",)).fetchone() == (None,)


def test_rows_that_fell_into_the_default_move_to_their_day(sql: psycopg.Connection, retain: Retain) -> None:
    finish_jobs(sql, 3)
    finish_jobs(sql, 2, finished=timedelta(days=1))
    finish_jobs(sql, 1, finished=timedelta(days=-40))
    retain.run_once()
    found = sql.execute("SELECT tableoid::regclass::text, count(*) FROM job_history GROUP BY 1 ORDER BY 1").fetchall()
    now, tomorrow = days(sql, 0, 1)
    assert found == [(f"job_history_{now}", 3), (f"job_history_{tomorrow}", 2), ("job_history_default", 1)]
    assert_rollups_count_history(sql)


def test_a_partition_has_everything_its_table_has(sql: psycopg.Connection, retain: Retain) -> None:
    retain.run_once()
    (day,) = days(sql, 0)
    for table in PARTITIONED:
        shape = (
            "SELECT (SELECT count(*) FROM pg_index WHERE indrelid = %(name)s::regclass),"
            " (SELECT count(*) FROM pg_constraint WHERE conrelid = %(name)s::regclass AND contype <> 'n')"
        )
        made, default = (sql.execute(shape, {"name": f"{table}_{kind}"}).fetchone() for kind in (day, "default"))
        assert made == default
    # Attached to the table's own indexes, so that no second set is kept.
    loose = "SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relname LIKE %s AND NOT relispartition"
    assert sql.execute(loose, (f"%_{day}_%",)).fetchone() == (0,)


def test_a_days_bounds_are_midnight_in_utc(sql: psycopg.Connection, database_url: str) -> None:
    with psycopg.connect(database_url, options="-c timezone=Australia/Sydney") as connection:
        make_partition(connection, "job_history", date(2026, 10, 25))
        bounds = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'job_history_20261025'"
        connection.execute("SET timezone = 'UTC'")
        assert connection.execute(bounds).fetchone() == (
            "FOR VALUES FROM ('2026-10-25 00:00:00+00') TO ('2026-10-26 00:00:00+00')",
        )


def test_a_settle_that_is_under_way_goes_before_the_partition(
    sql: psycopg.Connection, retain: Retain, database_url: str
) -> None:
    """It has written to the default partition and not committed: its row must not be left behind there."""
    (held,) = run_jobs(sql)
    with psycopg.connect(database_url) as settling:
        settle_one(settling, held)
        with in_background(retain.run_once) as made:
            wait_until_blocked(sql, by=settling)
            settling.commit()
        assert made.result().done > 0
    (day,) = days(sql, 0)
    assert sql.execute("SELECT tableoid::regclass::text FROM job_history").fetchall() == [(f"job_history_{day}",)]


def test_a_settle_that_takes_too_long_is_not_waited_for(
    sql: psycopg.Connection, retain: Retain, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other settle would queue up behind the waiting lock."""
    monkeypatch.setattr("scheduler.retain.LOCK_TIMEOUT_SECONDS", 0.05)
    (held,) = run_jobs(sql)
    with psycopg.connect(database_url) as settling:
        settle_one(settling, held)
        with pytest.raises(LockNotAvailable):
            retain.run_once()
        settling.commit()
    assert partitions(sql, "job_history") == ["default"]
    assert retain.run_once().done > 0


def test_several_schedulers_retain_side_by_side(sql: psycopg.Connection, database: Database, retain: Retain) -> None:
    other = Retain(database, history_days=14)
    together([retain.run_once, other.run_once, retain.run_once])
    retain.run_once()
    for table in PARTITIONED:
        assert partitions(sql, table) == [*days(sql, *range(DAYS_AHEAD + 1)), "default"]


def test_what_another_scheduler_is_at_is_left_to_it(sql: psycopg.Connection, retain: Retain, database_url: str) -> None:
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (_RETAIN_LOCK,))
        assert retain.run_once().done == 0
    assert partitions(sql, "job_history") == ["default"]


def test_processes_that_ended_are_forgotten_after_a_day(sql: psycopg.Connection, retain: Retain) -> None:
    ids = [add_servant(sql) for _ in range(5)]
    for servant_id, state, hours in zip(
        ids, ("active", "stopped", "stopped", "lost", "draining"), (48, 23, 25, 25, 48), strict=True
    ):
        sql.execute(
            "UPDATE servants SET state = %s, heartbeat_at = now() - make_interval(hours => %s) WHERE id = %s",
            (state, hours, servant_id),
        )
    for hours in (23, 25):
        sql.execute(statement("register_scheduler"), {"host": "here", "pid": hours, "version": "1"})
        sql.execute(
            "UPDATE schedulers SET heartbeat_at = now() - make_interval(hours => %(hours)s) WHERE pid = %(hours)s",
            {"hours": hours},
        )
    retain.run_once()
    assert [row[0] for row in sql.execute("SELECT id FROM servants ORDER BY id")] == [ids[0], ids[1], ids[4]]
    assert sql.execute("SELECT pid FROM schedulers").fetchall() == [(23,)]


def test_old_figures_are_kept_by_the_day_and_their_sums_stay(sql: psycopg.Connection, retain: Retain) -> None:
    # Given figures of several minutes and shards: of two old days, and of now
    insert = """
        INSERT INTO job_rollups (minute, type, state, shard, jobs, run_seconds, wait_seconds)
        SELECT date_trunc('day', now()) - make_interval(days => day, mins => minute), 'system.echo', 'completed', shard,
            1, 2, 3
        FROM unnest(%s::int[]) AS day, generate_series(0, 4) AS minute, generate_series(0, 1) AS shard
    """
    sql.execute(insert, ([3, 4, 0],))
    sums = "SELECT sum(jobs), sum(run_seconds), sum(wait_seconds) FROM job_rollups"
    before = sql.execute(sums).fetchall()

    for _ in range(2):
        retain.run_once()

        rows = "SELECT count(*) FROM job_rollups WHERE minute < date_trunc('day', now()) - interval '2 days'"
        assert sql.execute(rows).fetchone() == (3,), "one row for each day the old minutes fell on"
        assert sql.execute(sums).fetchall() == before


def deleted_record(account: RecordAccount, sql: psycopg.Connection, name: str, *, days: float) -> None:
    """A record that was deleted so many days ago."""
    account.merge(record(name, 1, name=name))
    account.merge(record(name, 2, deleted=True))
    sql.execute(
        "UPDATE records SET deleted_at = now() - make_interval(hours => %s) WHERE external_id = %s", (24 * days, name)
    )


def test_records_that_were_deleted_long_ago_are_dropped(
    sql: psycopg.Connection, database: Database, retain: Retain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.retain.MAX_OLD_ROWS", 2)
    account = record_account(database)
    account.merge(record("live"))
    for name, days in (("recent", 29), ("a", 31), ("b", 32), ("c", 33)):
        deleted_record(account, sql, name, days=days)
    assert retain.run_once().again_after == 0, "as many as one transaction drops: there may be more"
    assert retain.run_once().again_after is None
    assert set(account.versions()) == {"live", "recent"}
    assert account.told()[0] == ("added", "live"), "the feed tells of them for as long as it is kept"


def test_records_of_an_account_that_is_being_merged_into_are_dropped_another_time(
    sql: psycopg.Connection, database: Database, retain: Retain
) -> None:
    retain.run_once()
    busy, idle = (record_account(database) for _ in range(2))
    for account in (busy, idle):
        deleted_record(account, sql, "a", days=40)
    with busy.commit() as tx:
        stage_and_merge(tx, busy.target, [record("a", 3, name="back")], observed_at=at(99))
        retain.run_once()
    assert busy.live() == {"a": {"name": "back"}}
    assert idle.versions() == {}
    assert busy.told()[-1] == ("added", "a")
