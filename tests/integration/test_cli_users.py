"""`retinue users` and `retinue tokens`."""

from __future__ import annotations

import re

import psycopg
import pytest

from infra.postgres.connect import Database
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.manager_server import manager_app, submit
from tests.support.overview_rows import add_account

__all__ = ["bare_environment", "retinue"]

PASSWORD = "a very long word"


def signs_in(database: Database, name: str, password: str) -> bool:
    return submit(manager_app(database).test_client(), "/sign-in", user=name, password=password).status_code == 303


def noted(sql: psycopg.Connection) -> list[tuple[str, ...]]:
    columns = "actor_kind, actor_name, action, detail ->> 'name'"
    rows = sql.execute(f"SELECT {columns} FROM operator_actions WHERE actor_kind <> 'person' ORDER BY id".encode())  # noqa: S608 - columns from above
    return list(rows.fetchall())


def test_the_settings_user_is_there_from_the_start(retinue: CommandLine) -> None:
    (user,) = retinue.json("users", "list")["users"]

    assert (user["name"], user["role"], user["has_password"]) == ("operator", "admin", False)
    assert re.search(r"operator +admin +the settings' password +active", retinue.say("users", "list"))


def test_a_person_is_added_with_a_password_that_shows_once(
    retinue: CommandLine, database: Database, sql: psycopg.Connection
) -> None:
    said = retinue.say("users", "add", "Ada", "--role", "operator", "--by", "root")

    found = re.search(r"^Password: (\S{20})$", said, re.MULTILINE)
    assert found
    assert "Ada (operator) was added." in said
    assert signs_in(database, "Ada", found[1])
    assert noted(sql) == [("command line", "root", "person.add", "Ada")]


def test_or_with_one_that_is_given_and_never_shown(retinue: CommandLine, database: Database) -> None:
    said = retinue.json("users", "add", "Ada", "--password-stdin", stdin=f"{PASSWORD}\n")

    assert (said["role"], "password" in said) == ("viewer", False)
    assert PASSWORD not in str(said)
    assert signs_in(database, "Ada", PASSWORD)


def test_what_cannot_be_is_refused(retinue: CommandLine) -> None:
    retinue.say("users", "add", "Ada")

    assert "12 to 1024" in retinue.refusal("users", "add", "Bo", "--password-stdin", stdin="short\n", exit_code=2)
    assert "already" in retinue.refusal("users", "add", "ADA", exit_code=1)
    assert "There is no person 'Cy'" in retinue.refusal("users", "disable", "Cy", exit_code=1)
    assert "last admin" in retinue.refusal("users", "role", "operator", "viewer", exit_code=1)
    assert "last admin" in retinue.refusal("users", "disable", "operator", exit_code=1)
    assert "There is no token 7" in retinue.refusal("tokens", "revoke", "7", exit_code=1)


def test_role_password_disable_and_enable(retinue: CommandLine, database: Database, sql: psycopg.Connection) -> None:
    retinue.say("users", "add", "Ada", "--password-stdin", stdin=f"{PASSWORD}\n")

    assert retinue.json("users", "role", "ada", "admin")["role"] == "admin"
    made = retinue.json("users", "password", "Ada")["password"]
    assert not signs_in(database, "Ada", PASSWORD)
    assert signs_in(database, "Ada", made)
    assert retinue.json("users", "disable", "Ada")["disabled_at"] is not None
    assert not signs_in(database, "Ada", made)
    assert retinue.json("users", "enable", "Ada")["disabled_at"] is None
    assert signs_in(database, "Ada", made)
    assert [row[2] for row in noted(sql)] == [
        "person.add",
        "person.role",
        "person.password",
        "person.disable",
        "person.enable",
    ]


def test_a_token_is_made_used_and_revoked(retinue: CommandLine, database: Database, sql: psycopg.Connection) -> None:
    made = retinue.json("tokens", "add", "prometheus", "--lasts", "90d", "--by", "root")
    client = manager_app(database).test_client()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert client.get("/metrics", headers=bearer).status_code == 200

    (token,) = retinue.json("tokens", "list")["tokens"]
    assert (token["name"], token["role"], token["created_by"], token["account_id"]) == (
        "prometheus",
        "viewer",
        "root",
        None,
    )
    assert made["token"] not in str(token)
    assert "is revoked" in retinue.say("tokens", "revoke", made["id"], "--by", "root")

    assert client.get("/metrics", headers=bearer).status_code == 401
    assert "was revoked already" in retinue.refusal("tokens", "revoke", made["id"], exit_code=1)
    assert noted(sql) == [
        ("command line", "root", "token.add", "prometheus"),
        ("command line", "root", "token.revoke", "prometheus"),
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--account", "Nobody"], "no account 'Nobody'"), (["--account", "1", "--role", "admin"], "a viewer's")],
)
def test_a_token_that_cannot_be_is_refused(
    retinue: CommandLine, sql: psycopg.Connection, options: list[str], said: str
) -> None:
    add_account(sql, "Northwind")

    assert said in retinue.refusal("tokens", "add", "x", *options, exit_code=1)


def test_a_token_for_one_account_says_so(retinue: CommandLine, sql: psycopg.Connection) -> None:
    add_account(sql, "Northwind")

    retinue.say("tokens", "add", "x", "--account", "Northwind", "--role", "operator")

    assert re.search(r"x +operator +Northwind", retinue.say("tokens", "list"))
