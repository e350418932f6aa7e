"""Schedules are changed: what is named, nothing else; secrets that were not shown stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Json

from infra.postgres.connect import Database
from infra.postgres.schedule_edits import ScheduleEdit, edit_schedule
from infra.postgres.schedule_lines import ScheduleLine, find_schedule
from infra.postgres.schedules import NewSchedule, add_schedule, pause_schedule
from infra.redaction import MASK
from retinue.errors import InvalidPayload, InvalidSchedule, NotAllowed, NotFound
from retinue.schedule import Cron, Every
from scheduler.plan import Plan
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import ECHO, add_account

__all__ = ["bare_environment", "retinue"]

MINUTE = timedelta(minutes=1)


def add(sql: psycopg.Connection, **changes: Any) -> int:
    given: dict[str, Any] = {"type": ECHO, "name": "upkeep", "rule": Every(MINUTE)} | changes
    return add_schedule(sql, NewSchedule(**given))


def columns(line: ScheduleLine) -> dict[str, Any]:
    return {name: getattr(line, name) for name in ("name", "timezone", "jitter_seconds", "catch_up", "overlap")} | {
        "priority": line.priority,
        "payload": line.payload,
        "lane": line.lane,
        "rule": (line.cron, line.every_seconds),
        "next": line.next_fire_at,
    }


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (ScheduleEdit(name="other"), {"name": "other"}),
        (ScheduleEdit(jitter=timedelta(seconds=5)), {"jitter_seconds": 5.0}),
        (ScheduleEdit(catch_up=3), {"catch_up": 3}),
        (ScheduleEdit(overlap="allow"), {"overlap": "allow"}),
        (ScheduleEdit(priority=0), {"priority": 0}),
        (ScheduleEdit(rule=Every(MINUTE)), {}),
    ],
)
def test_what_is_named_changes_and_nothing_else(
    sql: psycopg.Connection, edit: ScheduleEdit, changed: dict[str, Any]
) -> None:
    schedule = add(sql, payload={"message": "hello"})
    before = columns(find_schedule(sql, schedule))

    edit_schedule(sql, schedule, edit)

    assert columns(find_schedule(sql, schedule)) == before | changed


def test_a_new_interval_counts_from_now(sql: psycopg.Connection, database: Database) -> None:
    schedule = add(sql)
    Plan(database).run_once()

    edit_schedule(sql, schedule, ScheduleEdit(rule=Every(timedelta(hours=5))))

    line = find_schedule(sql, schedule)
    assert line.next_fire_at is not None
    assert abs(line.next_fire_at - datetime.now(UTC) - timedelta(hours=5)) < timedelta(seconds=10)
    assert line.starts_at + timedelta(hours=5) == line.next_fire_at
    assert Plan(database).run_once().done == 0


def test_an_interval_becomes_a_cron_rule_in_its_zone(sql: psycopg.Connection) -> None:
    schedule = add(sql)

    edit_schedule(sql, schedule, ScheduleEdit(rule=Cron("30 6 * * *"), timezone="Asia/Kathmandu"))

    line = find_schedule(sql, schedule)
    assert (line.cron, line.every_seconds, line.timezone) == ("30 6 * * *", None, "Asia/Kathmandu")
    assert line.next_fire_at is not None
    assert (line.next_fire_at.astimezone(UTC).hour, line.next_fire_at.minute) == (0, 45)


def test_a_new_payload_moves_its_jobs_to_their_lane(sql: psycopg.Connection) -> None:
    account = add_account(sql)
    (connection,) = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, 'caldav', 'c', '{}', ''), (%s, 'caldav', 'd', '{}', '') RETURNING id",
        (account, account),
    ).fetchall()[1]
    schedule = add(sql, type="calendar.sync", account_id=account, payload={"connection_id": connection - 1})

    edit_schedule(sql, schedule, ScheduleEdit(payload={"connection_id": connection}))

    assert find_schedule(sql, schedule).lane == f"connection_id:{connection}"


def stored_payload(sql: psycopg.Connection) -> Any:
    return sql.execute("SELECT payload FROM schedules").fetchall()[0][0]


def test_a_mask_keeps_what_it_hides(sql: psycopg.Connection) -> None:
    """As of a type that is not installed here, of which every value is masked."""
    schedule = add(sql)
    hidden = {"password": "p", "more": {"token": "t"}, "list": ["a", "b"]}
    sql.execute("UPDATE schedules SET type = 'no.such', payload = %s", (Json(hidden),))
    shown = find_schedule(sql, schedule).payload
    assert shown == {"password": MASK, "more": MASK, "list": MASK}

    edit_schedule(sql, schedule, ScheduleEdit(payload=shown, priority=1))

    assert stored_payload(sql) == hidden
    assert find_schedule(sql, schedule).priority == 1


SECRETS = "see postgres://app:hunter2@db/x and token=abcdef123"


def test_what_is_masked_within_a_text_is_kept(sql: psycopg.Connection) -> None:
    schedule = add(sql, payload={"message": SECRETS})
    shown = find_schedule(sql, schedule).payload
    assert "hunter2" not in str(shown)

    assert edit_schedule(sql, schedule, ScheduleEdit(payload=shown, priority=1)) == ["priority"]

    assert stored_payload(sql)["message"] == SECRETS


def test_a_text_that_was_changed_around_a_mask_is_refused(sql: psycopg.Connection) -> None:
    schedule = add(sql, payload={"message": SECRETS})
    shown = find_schedule(sql, schedule).payload
    assert isinstance(shown, dict)
    changed = {"message": str(shown["message"]).replace("see", "look at")}
    with pytest.raises(InvalidPayload, match="a value that is not shown: write the value"):
        edit_schedule(sql, schedule, ScheduleEdit(payload=changed))
    assert stored_payload(sql)["message"] == SECRETS


def test_a_mask_of_nothing_is_refused(sql: psycopg.Connection) -> None:
    schedule = add(sql, payload={"message": "hello"})
    with pytest.raises(InvalidPayload, match="there is none: write the value"):
        edit_schedule(sql, schedule, ScheduleEdit(payload={"message": "hello", "fail": MASK}))
    assert stored_payload(sql)["message"] == "hello"


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (ScheduleEdit(rule=Cron("every day")), InvalidSchedule, "Give five fields"),
        (ScheduleEdit(rule=Cron("0 0 30 2 *")), InvalidSchedule, "would never fire"),
        (ScheduleEdit(timezone="Nowhere"), InvalidSchedule, "Nowhere"),
        (ScheduleEdit(catch_up=0), InvalidSchedule, "catch-up is 1 to 100"),
        (ScheduleEdit(payload={"massage": 1}), InvalidPayload, "massage"),
    ],
)
def test_what_cannot_be_changes_nothing(
    sql: psycopg.Connection, edit: ScheduleEdit, error: type[Exception], words: str
) -> None:
    schedule = add(sql)
    before = find_schedule(sql, schedule)
    with pytest.raises(error, match=words):
        edit_schedule(sql, schedule, edit)
    assert columns(find_schedule(sql, schedule)) == columns(before)


def test_two_of_one_name_are_refused_and_the_transaction_lives_on(sql: psycopg.Connection) -> None:
    add(sql)
    other = add(sql, name="other")
    with sql.transaction():
        with pytest.raises(NotAllowed, match="named 'upkeep': choose another name"):
            edit_schedule(sql, other, ScheduleEdit(name="upkeep"))
        assert find_schedule(sql, other).name == "other"


def test_a_paused_one_stays_paused(sql: psycopg.Connection) -> None:
    schedule = add(sql)
    pause_schedule(sql, schedule)
    edit_schedule(sql, schedule, ScheduleEdit(rule=Every(timedelta(hours=1))))
    assert find_schedule(sql, schedule).state == "paused"


def test_there_is_no_such_schedule(sql: psycopg.Connection) -> None:
    with pytest.raises(NotFound, match="There is no schedule 4711"):
        edit_schedule(sql, 4711, ScheduleEdit(name="x"))


def test_the_command_line_changes_one(retinue: CommandLine, sql: psycopg.Connection) -> None:
    schedule = add(sql)
    changed = retinue.json("schedules", "set", schedule, "--every", "2h", "--priority", 1, '{"message": "hi"}')
    assert (changed["every_seconds"], changed["priority"], changed["payload"]["message"]) == (7200, 1, "hi")
    assert "Say what to change" in retinue.refusal("schedules", "set", schedule, exit_code=2)
