from __future__ import annotations

import psycopg
import pytest

from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import ECHO, add_account

__all__ = ["bare_environment", "retinue"]

KEYS = {
    "id", "type", "name", "account_id", "account_name", "cron", "every_seconds", "timezone", "jitter_seconds",
    "catch_up", "overlap", "payload", "lane", "priority", "state", "problem", "starts_at", "next_fire_at",
    "last_fire_at", "created_at", "late_seconds",
}  # fmt: skip


def test_add_takes_every_option(retinue: CommandLine, sql: psycopg.Connection) -> None:
    account = add_account(sql, "acme")

    made = retinue.json(
        *("schedules", "add", '{"message": "hi"}', "--type", ECHO, "--name", "nightly", "--account", account),
        *("--cron", "0 3 * * *", "--timezone", "Europe/Berlin", "--jitter", "5m", "--catch-up", 3),
        *("--overlap", "allow", "--priority", 2),
    )

    assert set(made) == KEYS
    wanted = {
        "account_name": "acme",
        "cron": "0 3 * * *",
        "every_seconds": None,
        "timezone": "Europe/Berlin",
        "jitter_seconds": 300,
        "catch_up": 3,
        "overlap": "allow",
        "priority": 2,
        "lane": f"account:{account}",
        "state": "active",
    }
    assert made.items() >= wanted.items()
    assert made["payload"]["message"] == "hi"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--every", "5m", "--cron", "* * * * *"], "Give --cron or --every, one of the two."),
        ([], "Give --cron or --every, one of the two."),
        (["--every", "often"], "'often' is no duration"),
        (["--every", "0s"], "An interval is 1 second to"),
        (["--cron", "every day"], "Give five fields"),
        (["--cron", "0 6 * * *", "--timezone", "Mars/Base"], "Unknown time zone 'Mars/Base'"),
        (["--every", "5m", '{"massage": 1}'], "massage"),
        (["--every", "5m", "--type", "no.such"], "Unknown job type 'no.such'"),
        (["--every", "5m", "--overlap", "maybe"], "'maybe' is not one of"),
    ],
)
def test_bad_input(retinue: CommandLine, arguments: list[str], words: str) -> None:
    add = ("schedules", "add", "--type", ECHO, "--name", "x")

    assert words in retinue.refusal(*add, *arguments, exit_code=2)
    assert retinue.json("schedules", "list") == {"schedules": []}


def test_pause_resume_and_run(retinue: CommandLine) -> None:
    add = ("schedules", "add", "--type", ECHO, "--name", "hourly", "--every", "1h")
    schedule = retinue.json(*add)["id"]

    assert retinue.say("schedules", "pause", schedule) == f"Schedule {schedule} (system.echo hourly) is paused.\n"
    assert retinue.json("schedules", "list")["schedules"][0]["state"] == "paused"
    assert "paused already" in retinue.refusal("schedules", "pause", schedule, exit_code=1)
    assert "is active again.\nIt fires next at " in retinue.say("schedules", "resume", schedule)
    job = retinue.json("schedules", "run", schedule)["id"]
    assert f"Job {job} of this schedule is unfinished" in retinue.say("schedules", "run", schedule)
    assert "There is no schedule 4711" in retinue.refusal("schedules", "run", 4711, exit_code=1)


def test_a_list_for_people(retinue: CommandLine, sql: psycopg.Connection) -> None:
    assert "No such schedules." in retinue.say("schedules", "list")
    retinue.say("schedules", "add", "--type", ECHO, "--name", "a", "--cron", "0 6 * * 1", "--account", add_account(sql))
    retinue.say("schedules", "add", "--type", ECHO, "--name", "b", "--every", "90m")

    lines = retinue.say("schedules", "list").splitlines()
    assert "At 06:00, only on Monday (UTC)" in lines[2]
    assert "Every 90 minutes" in lines[3]
    assert len(retinue.say("schedules", "list", "--account", "acme").splitlines()) == 3
