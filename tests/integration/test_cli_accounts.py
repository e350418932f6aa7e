"""`retinue accounts`: keys that are lost, erasures, traces."""

from __future__ import annotations

import psycopg
import pytest

from infra.keys import generate_key
from infra.postgres.accounts import add_account
from infra.postgres.connections import NewConnection, add_connection
from infra.secrets import Keyring
from tests.support.command_line import CommandLine, bare_environment, retinue

__all__ = ["bare_environment", "retinue"]


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql, "Kestrel Group").id


def jobs(sql: psycopg.Connection) -> list[tuple[object, ...]]:
    return sql.execute("SELECT id, type, account_id, payload FROM jobs").fetchall()


class TestErase:
    def test_wants_the_name_typed(self, retinue: CommandLine, sql: psycopg.Connection, account: int) -> None:
        refused = retinue.run("accounts", "erase", account, "--reason", "a letter", stdin="kestrel group\n")
        assert refused.exit_code == 1
        assert f"That is not the name of account {account}: nothing was erased." in refused.stderr
        assert jobs(sql) == []

        said = retinue.say("accounts", "erase", account, "--reason", "a letter", stdin="Kestrel Group\n")
        ((job, *rest),) = jobs(sql)
        assert rest == ["account.erase", None, {"account_id": account}]
        assert f"Account {account} is being erased by job {job}" in said

    def test_refuses_a_second_one(self, retinue: CommandLine, sql: psycopg.Connection, account: int) -> None:
        made = retinue.json("accounts", "erase", "Kestrel Group", "--reason", "a letter", "--yes", "--by", "ada")
        assert made == {"account_id": account, "job_id": jobs(sql)[0][0]}
        again = retinue.refusal("accounts", "erase", account, "--reason", "a letter", "--yes", exit_code=1)
        assert again == f"Error: Account {account} is being erased already, by job {made['job_id']}.\n"
        noted = sql.execute("SELECT actor_name, action, account_id, detail FROM operator_actions").fetchall()
        assert noted == [("ada", "account.erase", account, {"reason": "a letter", "job": made["job_id"]})]

    def test_asks_nobody_who_cannot_be_asked(self, retinue: CommandLine, account: int) -> None:
        asked = retinue.run("accounts", "erase", account, "--reason", "a letter", "--json")
        assert (asked.exit_code, "Give --yes with --json" in asked.stderr) == (2, True)
        assert retinue.run("accounts", "erase", account, "--yes").exit_code == 2  # there is no reason


def test_traces_are_told(retinue: CommandLine, account: int) -> None:
    found = retinue.json("accounts", "traces", stdin="nobody\nkestrel\n", exit_code=1)
    assert found == {"traces": [{"table": "accounts", "column": "name", "rows": 1}]}
    assert "accounts" in retinue.run("accounts", "traces", stdin="Kestrel\n").stdout
    assert "They stand nowhere." in retinue.say("accounts", "traces", stdin="nobody\n")
    assert "There is no text" in retinue.refusal("accounts", "traces", stdin="\n", exit_code=2)


def test_a_lost_data_key_is_given_up(retinue: CommandLine, sql: psycopg.Connection, account: int) -> None:
    new = NewConnection(account_id=account, provider="imap", name="a", config={}, credentials={"password": "x"})
    add_connection(sql, Keyring(generate_key()), new)
    before = sql.execute("SELECT wrapped FROM account_keys").fetchone()

    assert f"Account {account} has a new data key" in retinue.say("accounts", "new-key", account, "--yes")

    assert sql.execute("SELECT wrapped FROM account_keys").fetchone() != before
    again = retinue.refusal("accounts", "new-key", account, "--yes", exit_code=1)
    assert "is at hand: a new one would only lose what it sealed" in again
    assert sql.execute("SELECT action, account_id FROM operator_actions").fetchall() == [("account.new_key", account)]
