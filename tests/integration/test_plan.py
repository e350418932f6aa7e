"""Plan: every fire once whoever plans, catching up within bounds, overlap, jitter, corrupt rows, summer time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.statements import statement
from scheduler.plan import DueSchedule, Plan
from tests.support.assertions import assert_consistent, states
from tests.support.factories import ECHO, add_account, add_jobs, add_schedule, claim_jobs, queue_jobs, settle_one
from tests.support.race import in_background, together, wait_until_blocked

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def plan(database: Database) -> Plan:
    return Plan(database)


def schedule(sql: psycopg.Connection, schedule_id: int, columns: str) -> tuple[Any, ...]:
    row = sql.execute(f"SELECT {columns} FROM schedules WHERE id = %s".encode(), (schedule_id,)).fetchone()  # noqa: S608 - the test's own column names
    assert row is not None
    return row


def fire_times(sql: psycopg.Connection) -> list[datetime]:
    return [row[0].astimezone(UTC) for row in sql.execute("SELECT fire_at FROM jobs ORDER BY fire_at")]


def finish_everything(sql: psycopg.Connection) -> None:
    ids = [row[0] for row in sql.execute("SELECT id FROM jobs")]
    queue_jobs(sql, ids)
    for held in claim_jobs(sql, ids, servant_id=1):
        settle_one(sql, held)


def recently(sql: psycopg.Connection) -> datetime:
    """Half a minute ago by the database: a fire of every minute then, and the next one half a minute away."""
    moment: datetime = sql.execute("SELECT now() - interval '30 seconds'").fetchall()[0][0]
    return moment.astimezone(UTC)


def test_a_due_schedule_makes_a_job_and_moves_on(sql: psycopg.Connection, plan: Plan) -> None:
    account_id = add_account(sql)
    made = add_schedule(
        sql, account_id=account_id, lane="account:1", priority=2, payload={"message": "hello"}, every_seconds=3600
    )
    due = schedule(sql, made, "next_fire_at")[0]
    assert plan.run_once().done == 1
    columns = "type, account_id, lane, priority, payload, state, schedule_id, fire_at, run_at"
    assert sql.execute(f"SELECT {columns} FROM jobs".encode()).fetchall() == [  # noqa: S608 - the columns above
        (ECHO, account_id, "account:1", 2, {"message": "hello"}, "pending", made, due, due)
    ]
    assert schedule(sql, made, "last_fire_at, state, problem") == (due, "active", None)
    assert schedule(sql, made, "next_fire_at > now()") == (True,)
    assert sql.execute("SELECT type, lane, due_at FROM lane_wakes").fetchall() == [(ECHO, "account:1", due)]
    assert plan.run_once().done == 0


def test_what_is_not_due_makes_nothing(sql: psycopg.Connection, plan: Plan) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    add_schedule(sql, next_fire_at=later)
    add_schedule(sql, "never", next_fire_at=None)
    assert plan.run_once().done == 0
    assert states(sql) == {}


def test_an_interval_keeps_to_its_grid_however_late_plan_runs(sql: psycopg.Connection, plan: Plan) -> None:
    start = recently(sql) - timedelta(minutes=30)
    made = add_schedule(sql, every_seconds=600, starts_at=start, next_fire_at=start + timedelta(minutes=30))
    plan.run_once()
    assert fire_times(sql) == [start + timedelta(minutes=30)]
    assert schedule(sql, made, "next_fire_at") == (start + timedelta(minutes=40),)


@pytest.mark.parametrize(("catch_up", "made"), [(1, 1), (3, 3), (100, 61)])
def test_an_outage_is_made_up_for_within_bounds(sql: psycopg.Connection, plan: Plan, catch_up: int, made: int) -> None:
    """An hour of every minute was missed: the newest are made up for, each once."""
    start = recently(sql) - timedelta(hours=1)
    add_schedule(sql, starts_at=start, next_fire_at=start, overlap="allow", catch_up=catch_up)
    assert plan.run_once().done == made
    newest = start + timedelta(hours=1)
    assert fire_times(sql) == [newest - timedelta(minutes=n) for n in reversed(range(made))]
    assert plan.run_once().done == 0


def test_a_year_of_outage_is_made_up_for_in_one_pass(sql: psycopg.Connection, plan: Plan) -> None:
    now = recently(sql) + timedelta(seconds=30)
    start = now - timedelta(days=365, seconds=30)
    for name, rule in (("cron", {"cron": "* * * * *"}), ("interval", {"every_seconds": 60})):
        add_schedule(sql, name, **rule, starts_at=start, next_fire_at=start, overlap="allow", catch_up=2)
    assert plan.run_once().done == 4
    assert all(timedelta(0) <= now - fire < timedelta(minutes=2) for fire in fire_times(sql))
    assert len({*fire_times(sql)}) == 4


def test_a_fire_is_skipped_while_the_last_job_is_unfinished(sql: psycopg.Connection, plan: Plan) -> None:
    made = add_schedule(sql, overlap="skip")
    assert plan.run_once().done == 1
    for _ in range(2):
        due = recently(sql)
        sql.execute("UPDATE schedules SET next_fire_at = %s - interval '1 minute'", (due,))
        sql.execute("UPDATE jobs SET fire_at = fire_at - interval '1 hour'")
        assert plan.run_once().done == 0
        assert schedule(sql, made, "next_fire_at > now()") == (True,)
    finish_everything(sql)
    sql.execute("UPDATE schedules SET next_fire_at = now() - interval '10 seconds'")
    assert plan.run_once().done == 1


def test_with_overlap_allowed_every_fire_makes_a_job(sql: psycopg.Connection, plan: Plan) -> None:
    add_schedule(sql, overlap="allow")
    assert plan.run_once().done == 1
    sql.execute("UPDATE jobs SET fire_at = fire_at - interval '1 hour'")
    sql.execute("UPDATE schedules SET next_fire_at = now() - interval '10 seconds'")
    assert plan.run_once().done == 1
    assert states(sql) == {"pending": 2}


def test_two_schedules_of_one_type_do_not_skip_for_each_other(sql: psycopg.Connection, plan: Plan) -> None:
    add_schedule(sql, "one")
    add_schedule(sql, "two")
    assert plan.run_once().done == 2


def test_jitter_delays_the_start_and_not_the_fire(sql: psycopg.Connection, plan: Plan) -> None:
    for n in range(20):
        add_schedule(sql, f"schedule {n}", jitter_seconds=300)
    assert plan.run_once().done == 20
    delays = [row[0] for row in sql.execute("SELECT run_at - fire_at FROM jobs")]
    assert all(timedelta(0) <= delay <= timedelta(minutes=5) for delay in delays)
    assert len(set(delays)) > 1
    on_time = "SELECT count(*) FROM jobs JOIN schedules ON schedules.id = schedule_id WHERE fire_at = last_fire_at"
    assert sql.execute(on_time).fetchone() == (20,)
    assert_consistent(sql)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"cron": "61 * * * *"}, "Cron expression '61 * * * *'"),
        ({"cron": "not cron at all"}, "Cron expression 'not cron at all'"),
        ({"cron": ""}, "Cron expression ''"),
        ({"timezone": "Mars/Olympus"}, "Unknown time zone 'Mars/Olympus'"),
        ({"cron": "0 0 1 1 sunday"}, "'sunday' is no weekday"),
    ],
)
def test_a_corrupt_schedule_is_paused_with_its_problem_and_the_others_go_on(
    sql: psycopg.Connection, plan: Plan, columns: dict[str, Any], problem: str
) -> None:
    sound = [add_schedule(sql, f"sound {n}") for n in range(2)]
    corrupt = add_schedule(sql, "corrupt", **columns)
    sound.append(add_schedule(sql, "sound 2"))
    assert plan.run_once().done == 3
    state, said, due = schedule(sql, corrupt, "state, problem, next_fire_at <= now()")
    assert (state, due) == ("paused", True)
    assert problem in said
    assert sql.execute("SELECT schedule_id FROM jobs ORDER BY 1").fetchall() == [(made,) for made in sound]
    # Mended and resumed by hand, it fires again.
    sql.execute(
        "UPDATE schedules SET cron = '* * * * *', every_seconds = NULL, timezone = 'UTC', state = 'active'"
        " WHERE id = %s",
        (corrupt,),
    )
    assert plan.run_once().done == 1
    assert schedule(sql, corrupt, "state, problem") == ("active", None)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "20000-01-01Z", "0001-01-01 BC"])
def test_a_time_that_cannot_be_read_back_is_refused(sql: psycopg.Connection, plan: Plan, moment: str) -> None:
    add_schedule(sql, "sound")
    corrupt = add_schedule(sql, "corrupt")
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.execute("UPDATE schedules SET next_fire_at = %s WHERE id = %s", (moment, corrupt))
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.execute("UPDATE schedules SET starts_at = %s WHERE id = %s", (moment, corrupt))
    assert plan.run_once().done == 2


def test_a_paused_schedule_makes_nothing_until_it_is_resumed(sql: psycopg.Connection, plan: Plan) -> None:
    made = add_schedule(sql)
    sql.execute("UPDATE schedules SET state = 'paused'")
    assert plan.run_once().done == 0
    sql.execute("UPDATE schedules SET state = 'active' WHERE id = %s", (made,))
    assert plan.run_once().done == 1


def test_two_planners_at_once_make_each_job_once(sql: psycopg.Connection, database: Database) -> None:
    for n in range(60):
        add_schedule(sql, f"schedule {n}", overlap="allow", catch_up=2)
    planners = [Plan(database) for _ in range(3)]
    made = together([planner.run_once for planner in planners])
    assert sum(result.done for result in made) == 60
    assert sql.execute("SELECT count(*), count(DISTINCT (schedule_id, fire_at)) FROM jobs").fetchone() == (60, 60)
    assert sum(planner.run_once().done for planner in planners) == 0


def test_a_planner_passes_over_the_schedules_another_one_holds(
    sql: psycopg.Connection, plan: Plan, database_url: str
) -> None:
    held, free = add_schedule(sql, "held"), add_schedule(sql, "free")
    with psycopg.connect(database_url) as other:
        other.execute("SELECT 1 FROM schedules WHERE id = %s FOR UPDATE", (held,))
        assert plan.run_once().done == 1
    assert sql.execute("SELECT schedule_id FROM jobs").fetchall() == [(free,)]
    assert plan.run_once().done == 1


def test_a_fire_that_was_made_already_is_not_made_again(sql: psycopg.Connection, plan: Plan) -> None:
    """As when the schedule was set back by hand: the pair of schedule and time is unique."""
    made = add_schedule(sql, overlap="allow")
    (due,) = schedule(sql, made, "next_fire_at")
    plan.run_once()
    sql.execute("UPDATE schedules SET next_fire_at = %s", (due,))
    assert plan.run_once().done == 0
    assert states(sql) == {"pending": 1}


def test_plan_that_fails_half_way_leaves_the_schedule_due(sql: psycopg.Connection, plan: Plan) -> None:
    """The job and the schedule's move commit together."""
    made = add_schedule(sql)
    sql.execute("ALTER TABLE schedules ADD CONSTRAINT stuck CHECK (last_fire_at IS NULL)")
    with pytest.raises(psycopg.errors.CheckViolation):
        plan.run_once()
    assert states(sql) == {}
    sql.execute("ALTER TABLE schedules DROP CONSTRAINT stuck")
    assert schedule(sql, made, "next_fire_at <= now()") == (True,)
    assert plan.run_once().done == 1


def test_a_key_that_somebody_else_is_about_to_take_is_waited_for(
    sql: psycopg.Connection, plan: Plan, database_url: str
) -> None:
    made = add_schedule(sql, overlap="skip")
    params = {"schedule_ids": [made], "fire_ats": [datetime(2026, 1, 1, tzinfo=UTC)]}
    params["run_ats"] = params["fire_ats"]
    with psycopg.connect(database_url) as by_hand:
        by_hand.execute(statement("fire_schedules"), params).fetchall()
        with in_background(plan.run_once) as planned:
            wait_until_blocked(sql, by=by_hand)
            by_hand.commit()
        assert planned.result().done == 0
    assert states(sql) == {"pending": 1}
    assert schedule(sql, made, "next_fire_at > now()") == (True,)


def test_a_full_batch_asks_for_the_next_one_at_once(
    sql: psycopg.Connection, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.plan.BATCH", 3)
    for n in range(4):
        add_schedule(sql, f"schedule {n}")
    first, second = plan.run_once(), plan.run_once()
    assert (first.done, first.again_after) == (3, 0)
    assert (second.done, second.again_after) == (1, None)


def test_the_longest_due_goes_first(sql: psycopg.Connection, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.plan.BATCH", 1)
    now = recently(sql)
    add_schedule(sql, "newer", next_fire_at=now)
    older = add_schedule(sql, "older", next_fire_at=now - timedelta(minutes=1))
    plan.run_once()
    assert sql.execute("SELECT schedule_id FROM jobs").fetchall() == [(older,)]


def test_deleting_an_account_deletes_its_schedules_and_leaves_its_jobs(sql: psycopg.Connection, plan: Plan) -> None:
    account_id = add_account(sql)
    add_schedule(sql, account_id=account_id)
    plan.run_once()
    add_jobs(sql)
    sql.execute("DELETE FROM accounts")
    assert sql.execute("SELECT count(*) FROM schedules").fetchone() == (0,)
    assert states(sql) == {"pending": 2}
    assert plan.run_once().done == 0


@pytest.mark.parametrize(
    ("zone", "cron", "before", "expected"),
    [
        # The clocks of Berlin skip 02:00 to 03:00 on 29 March 2026, and show it twice on 25 October.
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T01:30Z", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T00:30Z", ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
        ("America/New_York", "30 2 * * *", "2026-03-07T07:30Z", ["2026-03-08T07:00Z", "2026-03-09T06:30Z"]),
        ("America/New_York", "30 1 * * *", "2026-10-31T05:30Z", ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]),
        ("Australia/Sydney", "30 2 * * *", "2026-10-02T16:30Z", ["2026-10-03T16:00Z", "2026-10-04T15:30Z"]),
        ("Australia/Sydney", "30 2 * * *", "2026-04-03T15:30Z", ["2026-04-04T15:30Z", "2026-04-05T16:30Z"]),
    ],
)
def test_a_daily_schedule_goes_once_a_day_across_a_change_of_the_clocks(
    zone: str, cron: str, before: str, expected: list[str]
) -> None:
    due = DueSchedule(1, cron, None, zone, 0.0, 1, datetime.fromisoformat(before), datetime.fromisoformat(before), NOW)
    follow = []
    for _ in expected:
        fires = replace(due, now=due.next_fire_at).fires()
        assert fires.due == (due.next_fire_at,)
        assert fires.next is not None
        follow.append(fires.next)
        due = replace(due, next_fire_at=fires.next)
    assert follow == [datetime.fromisoformat(moment) for moment in expected]
