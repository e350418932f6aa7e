"""What schedules did, and what they are about to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres.schedule_lines import ScheduleFilter, find_schedule, list_schedules
from infra.postgres.schedule_runs import coming_fires, coming_hour, last_runs, runs_of
from infra.postgres.schedules import database_now, run_schedule
from infra.postgres.statements import statement
from tests.support.factories import (
    ECHO,
    add_account,
    add_schedule,
    add_servant,
    claim_jobs,
    queue_jobs,
    settle_one,
)
from tests.support.plans import explain, explain_prepared


def finish(sql: psycopg.Connection, job: int) -> None:
    queue_jobs(sql, [job])
    (held,) = claim_jobs(sql, [job], servant_id=add_servant(sql))
    settle_one(sql, held)


def test_the_last_run_is_the_newest_job_finished_or_not(sql: psycopg.Connection) -> None:
    first, second, idle = (add_schedule(sql, name) for name in "abc")
    done = run_schedule(sql, first).id
    finish(sql, done)
    waiting = run_schedule(sql, second).id

    runs = last_runs(sql, [first, second, idle])

    assert {schedule: (run.job_id, run.state) for schedule, run in runs.items()} == {
        first: (done, "completed"),
        second: (waiting, "pending"),
    }
    assert runs[first].late_seconds is not None
    assert (runs[second].late_seconds, runs[second].finished_at) == (None, None)


def test_the_runs_of_one_are_listed_newest_first(sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql, overlap="allow")
    jobs = [run_schedule(sql, schedule).id for _ in range(4)]
    finish(sql, jobs[0])
    finish(sql, jobs[1])
    assert [run.job_id for run in runs_of(sql, schedule)] == jobs[::-1]
    assert [run.job_id for run in runs_of(sql, schedule, limit=3)] == jobs[:0:-1]


def test_how_late_it_is(sql: psycopg.Connection) -> None:
    late, paused = add_schedule(sql, "late"), add_schedule(sql, "paused", state="paused")
    on_time = add_schedule(sql, "on time", next_fire_at=datetime.now(UTC) + timedelta(hours=1))

    found = {line.id: line.late_seconds for line in list_schedules(sql)}

    assert found[late] is not None
    assert found[late] == pytest.approx(30, abs=5)
    assert (found[paused], found[on_time]) == (None, None)
    assert [line.id for line in list_schedules(sql, ScheduleFilter(late_seconds=10))] == [late]


def test_lists_are_narrowed_and_go_both_ways(sql: psycopg.Connection) -> None:
    acme = add_account(sql, "Acme Corp")
    ids = [add_schedule(sql, f"schedule {n}", account_id=acme if n == 3 else None) for n in range(6)]
    sql.execute("UPDATE schedules SET state = 'paused' WHERE id = %s", (ids[1],))

    def found(*wanted: ScheduleFilter, **page: Any) -> list[int]:
        return [line.id for line in list_schedules(sql, *wanted, **page)]

    assert found(ScheduleFilter(state="paused")) == [ids[1]]
    assert found(ScheduleFilter(words="acme")) == [ids[3]]
    assert found(ScheduleFilter(words="SCHEDULE 5")) == [ids[5]]
    assert found(ScheduleFilter(words="100%")) == []
    assert found(after=ids[1], limit=2) == ids[2:4]
    assert found(before=ids[4], limit=2) == ids[2:4]


def test_the_next_fires_of_one(sql: psycopg.Connection) -> None:
    now = database_now(sql)
    start = now.replace(microsecond=0) + timedelta(minutes=5)
    schedule = add_schedule(sql, every_seconds=600, starts_at=start, next_fire_at=start)
    line = find_schedule(sql, schedule)
    assert coming_fires(line, now, count=3) == [start + timedelta(minutes=10 * n) for n in range(3)]
    sql.execute("UPDATE schedules SET state = 'paused'")
    assert coming_fires(find_schedule(sql, schedule), now) == []


def test_a_late_one_fires_now_and_then_when_its_rule_says(sql: psycopg.Connection) -> None:
    schedule, now = add_schedule(sql), database_now(sql)
    first, second, *_ = coming_fires(find_schedule(sql, schedule), now)
    assert first < now < second < now + timedelta(minutes=1)


def test_the_coming_hour_is_counted_by_type_and_minute(sql: psycopg.Connection) -> None:
    now = database_now(sql)
    for n in range(3):
        begin = now + timedelta(minutes=2, seconds=30)
        add_schedule(sql, f"a{n}", every_seconds=1200, starts_at=begin, next_fire_at=begin)
    add_schedule(sql, "b", type="other.sync", cron="* * * * *", next_fire_at=now + timedelta(seconds=1))
    add_schedule(sql, "later", every_seconds=86_400, next_fire_at=now + timedelta(hours=2))
    add_schedule(sql, "paused", state="paused")

    hour = coming_hour(sql)

    echo, other = sorted(hour.types, key=lambda coming: coming.type, reverse=True)
    assert (echo.type, other.type) == (ECHO, "other.sync")
    assert {n: count for n, count in enumerate(echo.minutes) if count} == {2: 3, 22: 3, 42: 3}
    assert other.total == 60
    assert (hour.most, [coming.type for coming in coming_hour(sql, type=ECHO).types]) == (3, [ECHO])


def test_a_rule_that_nobody_can_use_is_left_out(sql: psycopg.Connection) -> None:
    add_schedule(sql, cron="what", next_fire_at=database_now(sql))
    assert coming_hour(sql).most == 0


@pytest.mark.parametrize("explained", [explain, explain_prepared])
def test_last_runs_are_found_by_their_index(sql: psycopg.Connection, explained: Any) -> None:
    schedules = [add_schedule(sql, f"s{n}") for n in range(5)]
    for table, more, values in (
        ("jobs", "", ""),
        ("job_history", ", state, reason, finished_at", ", 'completed', 'complete', now() - n * interval '1 s'"),
    ):
        identity = "" if table == "jobs" else "id, "
        number = "" if table == "jobs" else "n, "
        sql.execute(
            f"INSERT INTO {table} ({identity}type, lane, schedule_id, fire_at{more})"  # noqa: S608 - from the lines above
            f" SELECT {number}'a.sync', 'x', %s + n %% 1000, now() - n * interval '1 s'{values}"
            " FROM generate_series(1, 20000) AS n".encode(),
            (schedules[0],),
        )
    sql.execute("ANALYZE")
    reads = explained(sql, "list_last_runs", {"schedule_ids": schedules, "limit": 1})
    read = [read for read in reads if read.table != "schedules"]
    assert not [r for r in read if r.node == "Seq Scan" and r.rows]
    assert sum(r.rows for r in read) <= 10 * len(schedules)


def test_many_schedules_of_one_rule_are_one_row(sql: psycopg.Connection) -> None:
    sql.execute(
        "INSERT INTO schedules (type, name, lane, every_seconds, next_fire_at)"
        " SELECT 'a.sync', n::text, 'x', 300, now() + (n % 300) * interval '1 s' FROM generate_series(1, 3000) AS n"
    )
    rows = sql.execute(statement("group_coming_fires"), {"ahead_seconds": 3600, "type": None}).fetchall()
    assert len(rows) <= 31
    assert coming_hour(sql).types[0].total == pytest.approx(36_000, rel=0.02)
