from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

import cli
from infra.postgres.connections import open_connection
from infra.secrets import Keyring
from infra.settings import load_settings
from retinue.outcomes import Park
from tests.support.bad_caldav_server import Reply, bad_server
from tests.support.command_line import OTHER_KEY, CommandLine, bare_environment, retinue
from tests.support.factories import add_servant, run_jobs, settle_one
from tests.support.radicale_server import RadicaleServer, radicale

__all__ = ["bare_environment", "radicale", "retinue"]

KEYS = {
    "id", "account_id", "account_name", "provider", "name", "config", "state", "problem", "created_at", "updated_at",
    "parked_at", "parked_reason", "breaker_reason", "import",
}  # fmt: skip

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:one
DTSTAMP:20260101T000000Z
DTSTART:20260101T100000Z
SUMMARY:One
END:VEVENT
END:VCALENDAR
"""


def add_caldav(retinue: CommandLine, url: str, sign_in: tuple[str, str] = ("ada", "hunter2")) -> int:
    username, password = sign_in
    add = ("connections", "add", "caldav", "--account", "Ada", "--url", url, "--username", username)
    identity: int = retinue.json(*add, "--password-stdin", stdin=f"{password}\n")["connection_id"]
    return identity


def test_two_commands_make_a_connection_that_is_synced(retinue: CommandLine, sql: psycopg.Connection) -> None:
    retinue.say("accounts", "add", "Ada")
    connection = add_caldav(retinue, "https://dav.example/")

    (line,) = retinue.json("connections", "list")["connections"]
    assert set(line) == KEYS
    assert (line["id"], line["account_name"], line["name"]) == (connection, "Ada", "dav.example")
    (schedule,) = retinue.json("schedules", "list")["schedules"]
    assert (schedule["type"], schedule["every_seconds"]) == ("calendar.sync", 60)
    assert sql.execute("SELECT next_fire_at <= now() FROM schedules").fetchone() == (True,)


def test_the_password_is_asked_for_and_shown_nowhere(retinue: CommandLine) -> None:
    retinue.say("accounts", "add", "Ada")
    add = ("connections", "add", "caldav", "--account", "1", "--url", "https://dav.example/", "--username", "ada")

    said = retinue.run(*add, "--name", "work", "--every", "5m", stdin="hunter2\n")

    assert said.exit_code == 0
    shown = said.output + retinue.say("connections", "list") + str(retinue.json("connections", "list"))
    assert "Password: " in shown
    assert "hunter2" not in shown
    assert "work" in shown


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--account", "Nobody"], 1, "There is no account 'Nobody'"),
        (["--url", "dav.example"], 2, "is no CalDAV address"),
        (["--url", "http://dav.example/"], 2, "'http://dav.example/' begins with http://, which is allowed on this"),
        (["--url", "https://ada:hunter2@dav.example/"], 2, "apart from the address 'https://dav.example/'"),
        (["--username", ""], 2, "no username"),
        (["--every", "0s"], 2, "An interval is 1 second"),
        (["--name", " "], 2, "is no name"),
    ],
)
def test_bad_input_makes_nothing(retinue: CommandLine, arguments: list[str], exit_code: int, words: str) -> None:
    retinue.say("accounts", "add", "Ada")
    add = ("connections", "add", "caldav", "--account", "Ada", "--url", "https://dav.example/", "--username", "ada")

    said = retinue.refusal(*add, "--password-stdin", *arguments, exit_code=exit_code, stdin="hunter2\n")

    assert words in said
    assert "hunter2" not in said
    assert retinue.json("connections", "list") == {"connections": []}
    assert retinue.json("schedules", "list") == {"schedules": []}


def test_without_a_key_no_credentials_are_kept(retinue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    retinue.say("accounts", "add", "Ada")
    monkeypatch.delenv("RETINUE_SECRET_KEY")
    add = ("connections", "add", "caldav", "--account", "Ada", "--url", "https://dav.example/", "--username", "ada")

    assert "RETINUE_SECRET_KEY" in retinue.refusal(*add, "--password-stdin", exit_code=78, stdin="hunter2\n")


def test_a_name_is_there_once(retinue: CommandLine) -> None:
    retinue.say("accounts", "add", "Ada")
    add_caldav(retinue, "https://dav.example/one")
    add = ("connections", "add", "caldav", "--account", "Ada", "--url", "https://dav.example/two", "--username", "ada")

    said = retinue.refusal(*add, "--password-stdin", exit_code=1, stdin="x\n")
    assert "has a caldav connection named 'dav.example' already" in said


def test_a_provider_that_begins_with_a_vowel(retinue: CommandLine) -> None:
    retinue.say("accounts", "add", "Ada")
    add = ("connections", "add", "imap", "--account", "Ada", "--host", "mail.example", "--username", "ada")
    retinue.say(*add, "--password-stdin", stdin="x\n")
    said = retinue.refusal(*add, "--password-stdin", exit_code=1, stdin="x\n")
    assert "has an imap connection named 'ada' already" in said


def test_without_a_terminal_the_option_is_named(retinue: CommandLine) -> None:
    add = ("connections", "add", "imap", "--account", "Ada", "--host", "mail.example", "--username", "ada")
    # In a session of its own it has no terminal, whoever runs the tests.
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-m", "cli.main", *add],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: There is no terminal to ask for the password at; give it with --password-stdin.\n"


def test_a_good_connection_has_its_parked_lane_resumed(
    retinue: CommandLine, sql: psycopg.Connection, radicale: RadicaleServer
) -> None:
    hand = radicale.hand()
    hand.make_calendar("work")
    hand.put("work/one.ics", EVENT)
    retinue.say("accounts", "add", "Ada")
    connection = add_caldav(retinue, radicale.url, (hand.username, "forgotten"))
    park(sql, connection)
    assert "parked" in retinue.say("connections", "list")
    refused = retinue.run("connections", "test", connection)
    assert refused.exit_code == 1
    assert "failed  sign-in " in refused.stdout
    assert "parked" in retinue.say("connections", "list")

    said = retinue.say("connections", "password", connection, "--password-stdin", stdin=f"{hand.password}\n")

    assert "ok      permissions  All can be read: Work holds 1." in said
    assert "Its parked calendar.sync jobs go on." in said
    assert retinue.json("connections", "list")["connections"][0]["parked_at"] is None
    report = retinue.json("connections", "test", connection)
    assert (report["ok"], report["resumed"], report["steps"][0]["name"]) == (True, [], "settings")


def park(sql: psycopg.Connection, connection: int) -> None:
    add_servant(sql, "calendar.sync")
    (held,) = run_jobs(sql, job_type="calendar.sync", lane=f"connection_id:{connection}")
    settle_one(sql, held, Park("the sign-in was refused"))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=401), "the sign-in was refused"),
        (Reply(status=500), "the server failed"),
        (Reply(status=200, body=b"<html>hello</html>"), "Is this the address of a CalDAV server?"),
        (Reply(status=207, body=b"not xml"), "PROPFIND"),
    ],
    ids=["401", "500", "a page", "nonsense"],
)
def test_a_server_that_misbehaves_is_told(retinue: CommandLine, reply: Reply, words: str) -> None:
    retinue.say("accounts", "add", "Ada")
    with bad_server(reply) as server:
        connection = add_caldav(retinue, server.url)
        result = retinue.run("connections", "test", connection)

    assert result.exit_code == 1
    assert "failed  sign-in " in result.stdout
    assert words in result.stdout


def test_a_server_that_is_not_there(retinue: CommandLine) -> None:
    retinue.say("accounts", "add", "Ada")
    report = retinue.json("connections", "test", add_caldav(retinue, "http://127.0.0.1:1/"), exit_code=1)

    assert (report["ok"], report["steps"][-1]["name"]) == (False, "network")


def test_the_wrong_key_opens_nothing(retinue: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    retinue.say("accounts", "add", "Ada")
    connection = add_caldav(retinue, "http://127.0.0.1:1/")
    monkeypatch.setenv("RETINUE_SECRET_KEY", OTHER_KEY)

    said = retinue.refusal("connections", "test", connection, exit_code=78)
    assert "The secret of account:1 does not open with key 'k1'" in said


def test_a_connection_to_another_provider_cannot_be_tested(retinue: CommandLine, sql: psycopg.Connection) -> None:
    retinue.say("accounts", "add", "Ada")
    connection = add_caldav(retinue, "http://127.0.0.1:1/")
    sql.execute("UPDATE connections SET provider = 'crm'")

    assert "is for 'crm'; only caldav, imap and salesforce" in retinue.refusal(
        "connections", "test", connection, exit_code=2
    )


def test_a_row_that_somebody_broke_by_hand_is_told(retinue: CommandLine, sql: psycopg.Connection) -> None:
    retinue.say("accounts", "add", "Ada")
    connection = add_caldav(retinue, "https://dav.example/")
    sql.execute("UPDATE connections SET config = '[1]'")

    assert "caldav" in retinue.say("connections", "list")
    tested = retinue.run("connections", "test", str(connection))
    assert tested.exit_code == 1
    assert "The CalDAV connection has no url and no username" in tested.output


def test_there_is_no_such_connection(retinue: CommandLine) -> None:
    assert "There is no connection 4711" in retinue.refusal("connections", "test", 4711, exit_code=1)
    change = ("connections", "password", 4711, "--password-stdin")
    assert "There is no connection 4711" in retinue.refusal(*change, exit_code=1, stdin="x\n")


def test_accounts(retinue: CommandLine) -> None:
    assert "No accounts." in retinue.say("accounts", "list")
    said = retinue.say("accounts", "add", "Kestrel Freight")
    assert re.findall(r"retinue connections add (\w+) --account \d+", said) == ["imap", "caldav"]
    made = retinue.json("accounts", "add", "Marlowe Dental Group")
    assert set(made) == {"id", "name", "created_at"}
    assert "Marlowe Dental Group" in retinue.say("accounts", "list")
    line = retinue.json("accounts", "list")["accounts"][-1]
    assert line["connections"] == line["schedules"] == 0
    again = retinue.refusal("accounts", "add", "Marlowe Dental Group", exit_code=1)
    assert again == f"Error: There is an account named 'Marlowe Dental Group' already: {made['id']}.\n"
    assert "is no name" in retinue.refusal("accounts", "add", "", exit_code=2)


def test_credentials_are_sealed_anew_so_that_the_old_key_can_go(
    retinue: CommandLine, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    retinue.say("accounts", "add", "Ada")
    connection = add_caldav(retinue, "https://dav.example/")
    old = os.environ["RETINUE_SECRET_KEY"]
    monkeypatch.setenv("RETINUE_SECRET_KEY", f"next:{OTHER_KEY.partition(':')[2]}")

    # With neither key at hand nothing is changed, and the reason is told
    refused = retinue.run("connections", "reseal")
    assert refused.exit_code == 1
    assert "The secret of account:1 was sealed with key" in refused.stderr

    monkeypatch.setenv("RETINUE_SECRET_KEYS_RETIRED", old)
    assert retinue.json("connections", "reseal") == {"keys": 1, "resealed": 0, "problems": []}
    assert retinue.json("connections", "reseal") == {"keys": 0, "resealed": 0, "problems": []}

    monkeypatch.delenv("RETINUE_SECRET_KEYS_RETIRED")
    keyring = Keyring.from_settings(load_settings(env_file=None))
    assert open_connection(sql, keyring, connection).credentials == {"password": "hunter2"}
