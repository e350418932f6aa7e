"""`retinue connections remove`: it says what goes, asks, and refuses what it does not know."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.command_line import CommandLine, bare_environment, retinue

__all__ = ["bare_environment", "retinue"]


@pytest.fixture
def connection_id(retinue: CommandLine, sql: psycopg.Connection) -> int:
    retinue.say("accounts", "add", "Ada")
    options = ("--account", "Ada", "--host", "mail.invalid", "--username", "ada", "--password-stdin")
    retinue.say("connections", "add", "imap", *options, stdin="secret-word\n")
    row = sql.execute("SELECT id, account_id FROM connections").fetchone()
    assert row is not None
    sql.execute("INSERT INTO mailboxes (connection_id, account_id, name) VALUES (%s, %s, 'INBOX')", row)
    return int(row[0])


def number(sql: psycopg.Connection, table: str) -> int:
    row = sql.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608 - the test's own tables
    assert row is not None
    return int(row[0])


def test_it_says_what_goes_and_leaves_it_unless_it_is_told_to_go_on(
    retinue: CommandLine, sql: psycopg.Connection, connection_id: int
) -> None:
    for answer in ("n\n", ""):
        done = retinue.run("connections", "remove", connection_id, stdin=answer)
        assert done.exit_code == 1
        assert f"Connection {connection_id}, imap 'ada' of account " in done.stdout
        assert "2 schedules and 0 unfinished jobs." in done.stdout
        assert "All that came over it goes, too: mailboxes (1)." in done.stdout
        assert (number(sql, "connections"), number(sql, "schedules"), number(sql, "mailboxes")) == (1, 2, 1)


def test_it_is_removed_when_the_answer_is_yes(
    retinue: CommandLine, sql: psycopg.Connection, connection_id: int
) -> None:
    said = retinue.say("connections", "remove", connection_id, stdin="y\n")
    assert f"Connection {connection_id} is removed: mailboxes (1)." in said
    assert (number(sql, "connections"), number(sql, "schedules"), number(sql, "mailboxes")) == (0, 0, 0)
    assert number(sql, "accounts") == 1


def test_scripts_say_yes_beforehand(retinue: CommandLine, sql: psycopg.Connection, connection_id: int) -> None:
    refused = retinue.run("connections", "remove", connection_id, "--json")
    assert refused.exit_code != 0
    assert "Give --yes with --json" in refused.stderr
    assert number(sql, "connections") == 1
    removed = retinue.json("connections", "remove", connection_id, "--yes")["removed"]
    assert (removed["connection_id"], removed["schedules"], removed["rows"]) == (connection_id, 2, {"mailboxes": 1})
    assert number(sql, "connections") == 0


def test_what_is_not_there_is_refused(retinue: CommandLine, connection_id: int) -> None:
    done = retinue.run("connections", "remove", connection_id + 1, "--yes")
    assert done.exit_code == 1
    assert f"There is no connection {connection_id + 1}. `retinue connections list` shows all." in done.stderr
