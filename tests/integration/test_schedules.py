from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres.accounts import InvalidName
from infra.postgres.connect import Database
from infra.postgres.schedule_lines import ScheduleFilter, ScheduleLine, list_schedules
from infra.postgres.schedules import NewSchedule, add_schedule, pause_schedule, resume_schedule, run_schedule
from retinue.errors import InvalidPayload, InvalidSchedule, NotAllowed, NotFound, UnknownType
from retinue.schedule import Cron, Every
from scheduler.plan import Plan
from tests.support.assertions import assert_consistent, row_of
from tests.support.factories import ECHO, add_account

EVERY_MINUTE = Every(timedelta(minutes=1))


def new(**changes: Any) -> NewSchedule:
    given: dict[str, Any] = {"type": ECHO, "name": "upkeep", "rule": EVERY_MINUTE} | changes
    return NewSchedule(**given)


def line(sql: psycopg.Connection, schedule_id: int) -> ScheduleLine:
    (found,) = list_schedules(sql, schedule_id=schedule_id)
    return found


def test_an_interval_fires_at_once_and_then_keeps_its_step(sql: psycopg.Connection, database: Database) -> None:
    account = add_account(sql)
    schedule = add_schedule(sql, new(account_id=account, payload={"message": "hello"}, priority=2))
    first = line(sql, schedule).next_fire_at
    assert first is not None
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=5)

    assert Plan(database).run_once().done == 1

    (job,) = sql.execute("SELECT id FROM jobs").fetchall()
    columns = "type, account_id, lane, priority, payload->>'message', schedule_id, fire_at"
    assert row_of(sql, job[0], columns) == (ECHO, account, f"account:{account}", 2, "hello", schedule, first)
    assert line(sql, schedule).next_fire_at == first + timedelta(minutes=1)


def test_a_cron_rule_fires_at_its_time_in_its_zone(sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql, new(rule=Cron("30 6 * * *"), timezone="Asia/Kathmandu"))

    found = line(sql, schedule)
    assert found.next_fire_at is not None
    assert found.next_fire_at > datetime.now(UTC)
    # Nepal is 5:45 ahead the whole year.
    assert (found.next_fire_at.astimezone(UTC).hour, found.next_fire_at.minute) == (0, 45)
    assert (found.cron, found.every_seconds, found.timezone) == ("30 6 * * *", None, "Asia/Kathmandu")


def test_the_lane_is_what_the_type_asks_for(sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql, new(type="calendar.sync", payload={"connection_id": 12}, account_id=add_account(sql)))

    assert line(sql, schedule).lane == "connection_id:12"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"type": "system.ecko"}, UnknownType, "Did you mean 'system.echo'"),
        ({"payload": {"massage": "x"}}, InvalidPayload, "massage"),
        ({"payload": {"message": "a\0b"}}, InvalidPayload, "holds a NUL character"),
        ({"rule": Cron("61 * * * *")}, InvalidSchedule, "61"),
        ({"rule": Cron("* * *")}, InvalidSchedule, "five fields"),
        ({"rule": Cron("0 0 30 2 *")}, InvalidSchedule, "would never fire"),
        ({"rule": Every(timedelta(0))}, InvalidSchedule, "1 second to 366 days"),
        ({"rule": Every(timedelta(days=400))}, InvalidSchedule, "1 second to 366 days"),
        ({"timezone": "Europe/Belrin"}, InvalidSchedule, "Unknown time zone 'Europe/Belrin'"),
        ({"jitter": timedelta(seconds=-1)}, InvalidSchedule, "jitter is 0 to 1 day"),
        ({"catch_up": 0}, InvalidSchedule, "catch-up is 1 to 100"),
        ({"overlap": "maybe"}, InvalidSchedule, "overlap is skip or allow"),
        ({"priority": 10}, InvalidSchedule, "priority is 0"),
        ({"name": ""}, InvalidName, "is no name"),
        ({"name": "bell\x07"}, InvalidName, "is no name"),
    ],
)
def test_what_is_wrong_is_said(
    sql: psycopg.Connection, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        add_schedule(sql, new(**changes))

    assert list_schedules(sql) == []


def test_a_name_is_there_once_for_an_account_and_type(sql: psycopg.Connection) -> None:
    account = add_account(sql)
    add_schedule(sql, new(account_id=account))
    add_schedule(sql, new())

    for again in (new(account_id=account), new()):
        with pytest.raises(NotAllowed, match="named 'upkeep'"):
            add_schedule(sql, again)


def test_a_paused_schedule_makes_no_jobs_and_makes_up_for_none(sql: psycopg.Connection, database: Database) -> None:
    schedule = add_schedule(sql, new(catch_up=100))
    pause_schedule(sql, schedule)
    hour = timedelta(hours=1)
    sql.execute("UPDATE schedules SET starts_at = starts_at - %s, next_fire_at = next_fire_at - %s", (hour, hour))
    started = line(sql, schedule).starts_at
    assert Plan(database).run_once().done == 0

    resumed = resume_schedule(sql, schedule)

    assert Plan(database).run_once().done == 0
    assert resumed > datetime.now(UTC)
    assert (resumed - started) % timedelta(minutes=1) == timedelta(0)
    assert line(sql, schedule).state == "active"


def test_resuming_clears_the_problem_that_paused_it(sql: psycopg.Connection, database: Database) -> None:
    schedule = add_schedule(sql, new())
    sql.execute("UPDATE schedules SET timezone = 'Nowhere'")
    Plan(database).run_once()
    assert "Nowhere" in str(line(sql, schedule).problem)
    with pytest.raises(InvalidSchedule, match="Nowhere"):
        resume_schedule(sql, schedule)
    assert line(sql, schedule).state == "paused"

    sql.execute("UPDATE schedules SET timezone = 'UTC'")
    resume_schedule(sql, schedule)

    assert (line(sql, schedule).state, line(sql, schedule).problem) == ("active", None)


def test_a_schedule_is_paused_or_active_once(sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql, new())

    with pytest.raises(NotAllowed, match="active already"):
        resume_schedule(sql, schedule)
    pause_schedule(sql, schedule)
    with pytest.raises(NotAllowed, match="paused already"):
        pause_schedule(sql, schedule)


def test_run_makes_a_job_now_and_changes_no_fire(sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql, new(rule=Cron("0 6 * * *")))
    before = line(sql, schedule)
    pause_schedule(sql, schedule)

    made = run_schedule(sql, schedule)

    assert made.created
    assert row_of(sql, made.id, "schedule_id, run_at <= now(), state") == (schedule, True, "pending")
    assert line(sql, schedule).next_fire_at == before.next_fire_at
    assert_consistent(sql)


def test_run_skips_while_the_last_job_is_unfinished(sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql, new())
    first = run_schedule(sql, schedule)

    again = run_schedule(sql, schedule)

    assert (again.id, again.created) == (first.id, False)


def test_run_makes_another_where_overlap_is_allowed(sql: psycopg.Connection) -> None:
    schedule = add_schedule(sql, new(overlap="allow"))

    assert run_schedule(sql, schedule).id != run_schedule(sql, schedule).id


@pytest.mark.parametrize("action", [pause_schedule, resume_schedule, run_schedule])
def test_there_is_no_such_schedule(sql: psycopg.Connection, action: Any) -> None:
    with pytest.raises(NotFound, match="There is no schedule 4711"):
        action(sql, 4711)


def test_lists_are_by_account_and_type_and_go_on_after_an_id(sql: psycopg.Connection) -> None:
    account = add_account(sql)
    first = add_schedule(sql, new())
    second = add_schedule(sql, new(account_id=account))
    third = add_schedule(sql, new(type="system.sleep", payload={"seconds": 1}))

    assert [found.id for found in list_schedules(sql)] == [first, second, third]
    assert [found.id for found in list_schedules(sql, ScheduleFilter(account_id=account))] == [second]
    assert [found.id for found in list_schedules(sql, ScheduleFilter(type="system.sleep"))] == [third]
    assert [found.id for found in list_schedules(sql, after=first, limit=1)] == [second]
