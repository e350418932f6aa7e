"""`retinue connections`, for mailboxes: added, tested, given new passwords and tokens; against a real mail server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.postgres.connections import open_connection
from infra.postgres.imports import Kind, add_done, begin_import, finish_import, note_recent
from infra.secrets import Keyring
from infra.settings import load_settings
from retinue.outcomes import Park
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.dovecot_server import MailServer, MailUser, dovecot
from tests.support.factories import add_servant, run_jobs, settle_one

__all__ = ["bare_environment", "dovecot", "retinue"]

ADD = ("connections", "add", "imap", "--account", "Ada")


@pytest.fixture(autouse=True)
def account(retinue: CommandLine) -> None:
    retinue.say("accounts", "add", "Ada")


def place(server: MailServer, user: MailUser) -> tuple[object, ...]:
    return ("--host", server.host, "--port", server.port, "--tls", "none", "--username", user.name)


def add(retinue: CommandLine, server: MailServer, user: MailUser, password: str) -> int:
    made = retinue.json(*ADD, *place(server, user), "--password-stdin", stdin=f"{password}\n")
    identity: int = made["connection_id"]
    return identity


def tokens_of(server: MailServer, user: MailUser, **changes: Any) -> dict[str, Any]:
    granted = {
        "access_token": server.token(user),
        "refresh_token": server.oauth.refresh_token(user.name),
        "expires_at": "2026-01-01T00:00:00Z",
        "token_url": server.oauth.token_url,
        "client_id": "retinue",
    }
    return granted | changes


def credentials(sql: psycopg.Connection, connection_id: int) -> dict[str, str]:
    keyring = Keyring.from_settings(load_settings(env_file=None))
    return dict(open_connection(sql, keyring, connection_id).credentials)


def test_one_command_makes_a_mailbox_that_is_synced_and_watched(retinue: CommandLine, sql: psycopg.Connection) -> None:
    made = retinue.json(
        *ADD, "--host", "mail.example", "--username", "ada@example.org", "--every", "5m", "--password-stdin",
        stdin="hunter2\n",
    )  # fmt: skip

    assert set(made) == {"connection_id", "schedule_id", "watch_schedule_id", "account_id", "name"}
    (line,) = retinue.json("connections", "list")["connections"]
    assert (line["provider"], line["name"], line["import"]) == ("imap", "ada@example.org", None)
    assert line["config"] == {"host": "mail.example", "tls": "tls", "username": "ada@example.org"}
    schedules = {line["type"]: line for line in retinue.json("schedules", "list")["schedules"]}
    assert {name: (line["id"], line["every_seconds"]) for name, line in schedules.items()} == {
        "email.sync": (made["schedule_id"], 300),
        "email.watch": (made["watch_schedule_id"], 60),
    }
    for line in schedules.values():
        assert (line["payload"]["connection_id"], line["overlap"]) == (made["connection_id"], "skip")
    assert sql.execute("SELECT bool_and(next_fire_at <= now()) FROM schedules").fetchone() == (True,)


def test_it_is_told_in_words_and_the_password_is_not(retinue: CommandLine) -> None:
    said = retinue.run(*ADD, "--host", "mail.example", "--username", "ada", "--name", "work", stdin="hunter2\n")
    assert said.exit_code == 0
    assert "Connection 1 was added; schedule 1 syncs it, the first time at once." in said.stdout
    assert "Schedule 2 keeps a watch on it" in said.stdout
    assert "hunter2" not in said.output + retinue.say("connections", "list")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "imaps://mail.example"], "is no host name"),
        (["--host", "imap.example.com:993"], "give the port with --port"),
        (["--tls", "none"], "allowed on this machine alone"),
        (["--port", "0"], "is not in the range 1<=x<=65535"),
        (["--username", ""], "has no username"),
        (["--every", "0s"], "An interval is 1 second"),
        (["--oauth", "-"], "not both"),
        (["--ca-file", "/nowhere/ca.pem"], "does not exist"),
    ],
)
def test_bad_input_makes_nothing(retinue: CommandLine, arguments: list[str], words: str) -> None:
    add = (*ADD, "--host", "mail.example", "--username", "ada", "--password-stdin")
    said = retinue.refusal(*add, *arguments, exit_code=2, stdin="hunter2\n")
    assert words in said
    assert "hunter2" not in said
    assert retinue.json("connections", "list") == {"connections": []}
    assert retinue.json("schedules", "list") == {"schedules": []}


def test_the_authorities_of_an_own_server_are_named(
    retinue: CommandLine, dovecot: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dovecot.ca_file.parent)
    user = dovecot.user()
    encrypted = ("--host", dovecot.host, "--port", dovecot.tls_port, "--username", user.name)
    made = retinue.json(
        *ADD, *encrypted, "--ca-file", dovecot.ca_file.name, "--password-stdin", stdin=f"{user.password}\n"
    )
    (line,) = retinue.json("connections", "list")["connections"]
    assert line["config"]["ca_file"] == str(dovecot.ca_file)
    assert "Encrypted with TLSv1." in retinue.say("connections", "test", made["connection_id"])


def test_a_file_that_holds_no_authorities_is_refused(retinue: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    given = ("--host", "mail.example", "--username", "ada", "--ca-file", tmp_path / "ca.pem", "--password-stdin")
    assert "ca.pem" in retinue.refusal(*ADD, *given, exit_code=2, stdin="x\n")


def test_tokens_are_read_from_a_file_or_standard_input(
    retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection, tmp_path: Path
) -> None:
    user = dovecot.user()
    granted = tokens_of(dovecot, user, scope=["mail.read", "offline_access"], token_type="Bearer")
    (tmp_path / "tokens.json").write_text(json.dumps(granted))

    made = retinue.json(*ADD, *place(dovecot, user), "--oauth", tmp_path / "tokens.json")
    kept = {name: value for name, value in granted.items() if name != "token_type"}
    assert credentials(sql, made["connection_id"]) == kept | {"scope": "mail.read offline_access"}

    again = retinue.json(*ADD, *place(dovecot, user), "--name", "again", "--oauth", "-", stdin=json.dumps(granted))
    assert credentials(sql, again["connection_id"]) == credentials(sql, made["connection_id"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("secret-token", "this is none (line 1, column 1)"),
        ("[]", "this is none."),
        ("[" * 100_000, "this is none (RecursionError)"),
        ('{"refresh_token": "secret-token"}', "has no token_url and no client_id"),
        ('{"access_token": ["secret-token"]}', "access_token of the mail connection is no plain text"),
        (
            '{"access_token": "x", "refresh_token": "secret-token", "token_url": "http://x/", "client_id": "c"}',
            "https://",
        ),
        ("{}", "has no access_token and no refresh_token"),
        ('{"access_token": "secret-token"}', "has no refresh_token and no token_url and no client_id"),
        (
            '{"access_token": "secret-token", "token_url": "https://x/", "client_id": "c"}',
            "--oauth has no refresh_token:",
        ),
    ],
)
def test_tokens_that_cannot_be_used_are_refused(retinue: CommandLine, given: str, words: str) -> None:
    said = retinue.refusal(
        *ADD, "--host", "mail.example", "--username", "ada", "--oauth", "-", exit_code=2, stdin=given
    )
    assert words in said
    assert "secret-token" not in said
    assert retinue.json("connections", "list") == {"connections": []}


def test_a_test_renews_the_tokens_and_keeps_them(
    retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection
) -> None:
    user = dovecot.user()
    dovecot.oauth.rotates = True
    granted = tokens_of(dovecot, user)
    made = retinue.json(*ADD, *place(dovecot, user), "--oauth", "-", stdin=json.dumps(granted))["connection_id"]

    said = retinue.say("connections", "test", made)

    assert f"ok      sign-in      The server accepts {user.name}." in said
    stored = credentials(sql, made)
    assert stored["refresh_token"] != granted["refresh_token"]
    assert not [token for token in {*stored.values(), *granted.values()} if len(token) > 20 and token in said]
    assert retinue.json("connections", "test", made)["ok"]
    assert credentials(sql, made) == stored


def test_a_wrong_password_parks_and_a_new_one_resumes(
    retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection
) -> None:
    user = dovecot.user()
    connection = add(retinue, dovecot, user, "forgotten")
    add_servant(sql, "email.sync")
    (held,) = run_jobs(sql, job_type="email.sync", lane=f"connection_id:{connection}")
    settle_one(sql, held, Park("the sign-in was refused"))
    refused = retinue.run("connections", "test", connection)
    assert refused.exit_code == 1
    assert "failed  sign-in " in refused.stdout
    assert "parked" in retinue.say("connections", "list")

    said = retinue.say("connections", "password", connection, "--password-stdin", stdin=f"{user.password}\n")

    assert "ok      permissions  INBOX can be read and holds 0." in said
    assert "Its parked email.sync jobs go on." in said
    assert retinue.json("connections", "list")["connections"][0]["parked_at"] is None


def test_tokens_take_the_place_of_a_password(
    retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection
) -> None:
    user = dovecot.user()
    connection = add(retinue, dovecot, user, "forgotten")
    given = json.dumps(tokens_of(dovecot, user))
    report = retinue.json("connections", "password", connection, "--oauth", "-", stdin=given)
    assert report["ok"]
    assert "password" not in credentials(sql, connection)


def test_a_calendar_takes_no_tokens(retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection) -> None:
    caldav = ("connections", "add", "caldav", "--account", "Ada", "--url", "https://dav.example/", "--username", "ada")
    made = retinue.json(*caldav, "--password-stdin", stdin="hunter2\n")["connection_id"]
    given = json.dumps(tokens_of(dovecot, dovecot.user()))
    said = retinue.refusal("connections", "password", made, "--oauth", "-", exit_code=2, stdin=given)
    assert "only imap connections take --oauth" in said
    assert credentials(sql, made) == {"password": "hunter2"}


def test_the_list_shows_how_far_the_first_reading_is(
    retinue: CommandLine, dovecot: MailServer, sql: psycopg.Connection
) -> None:
    connection = add(retinue, dovecot, dovecot.user(), "x")
    assert "not begun" in retinue.say("connections", "list")
    begin_import(sql, connection_id=connection, account_id=1, kind=Kind.EMAIL, total=200)
    add_done(sql, connection, Kind.EMAIL, 30)
    assert "15 %, recent weeks first" in retinue.say("connections", "list")

    note_recent(sql, connection, Kind.EMAIL)
    add_done(sql, connection, Kind.EMAIL, 60)
    assert "45 %" in retinue.say("connections", "list")
    progress = retinue.json("connections", "list")["connections"][0]["import"]
    assert {name: progress[name] for name in ("kind", "percent", "total", "done", "finished_at", "left_seconds")} == {
        "kind": "email", "percent": 45, "total": 200, "done": 90, "finished_at": None, "left_seconds": None,
    }  # fmt: skip

    finish_import(sql, connection, Kind.EMAIL)
    told = retinue.say("connections", "list")
    assert "%" not in told
    assert re.search(r"done \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", told)
    assert retinue.json("connections", "list")["connections"][0]["import"]["percent"] == 100
