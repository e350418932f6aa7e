"""Programs with tokens: what each may do, and when it may no more."""

from __future__ import annotations

import re

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.connect import Database, DatabaseUnreachable
from infra.roles import Role
from manager.remembered import REMEMBERED_SECONDS
from tests.support.hand_clock import HandClock
from tests.support.manager_server import USER, AwayDatabase, manager_app, signed_in, submit
from tests.support.overview_rows import add_account


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def make(admin: FlaskClient, *, role: str = "viewer", account: str = "", days: str = "90") -> str:
    """A new token."""
    answer = submit(admin, "/tokens", name="a program", role=role, account=account, days=days)
    found = re.search(r'id="secret">([^<]+)<', answer.text)
    assert found, answer.text
    return found[1]


def status(app: Flask, token: str, path: str = "/api/overview") -> int:
    return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_token_opens_what_programs_read_and_no_page(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    token = make(admin)

    assert re.fullmatch(r"retinue_[\w-]{43}", token)
    assert [status(app, token, path) for path in ("/api/overview", "/metrics", "/", "/people")] == [200, 200, 302, 302]
    assert token not in str(sql.execute("SELECT * FROM api_tokens, operator_actions").fetchall())
    assert token not in admin.get("/tokens").text


@pytest.mark.parametrize("change", ["revoked_at = now()", "expires_at = now()", "digest = sha256('other')"])
def test_one_that_is_no_longer_good_opens_nothing(
    app: Flask, admin: FlaskClient, sql: psycopg.Connection, change: str
) -> None:
    token = make(admin)
    assert status(app, token) == 200

    sql.execute(f"UPDATE api_tokens SET {change}".encode())  # noqa: S608 - from the list above

    assert status(app, token) == 401


def test_revoking_asks_first_and_is_written_down(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    token = make(admin)
    (row,) = sql.execute("SELECT id FROM api_tokens").fetchall()
    assert "refused from its next request on" in admin.get(f"/tokens/{row[0]}/revoke/confirm").text

    submit(admin, f"/tokens/{row[0]}/revoke")

    assert status(app, token) == 401
    actions = sql.execute("SELECT action, target_id, detail ->> 'name' FROM operator_actions ORDER BY id DESC LIMIT 2")
    assert actions.fetchall() == [("token.revoke", str(row[0]), "a program"), ("token.add", str(row[0]), "a program")]
    submit(admin, f"/tokens/{row[0]}/revoke")
    assert "was revoked already" in admin.get("/tokens").text


def test_a_token_of_one_account_sees_nothing_that_is_about_all(
    app: Flask, admin: FlaskClient, sql: psycopg.Connection
) -> None:
    account = add_account(sql, "Northwind")

    token = make(admin, account="Northwind")

    assert sql.execute("SELECT account_id FROM api_tokens").fetchone() == (account,)
    assert [status(app, token, path) for path in ("/api/overview", "/metrics", "/metrics/targets")] == [403, 403, 403]


def test_and_is_never_an_admin(admin: FlaskClient, sql: psycopg.Connection) -> None:
    add_account(sql, "Northwind")

    submit(admin, "/tokens", name="x", role="admin", account="Northwind", days="30")

    assert "A token for one account is a viewer" in admin.get("/tokens").text
    assert sql.execute("SELECT count(*) FROM api_tokens").fetchone() == (0,)


@pytest.mark.parametrize("days", ["", "7", "-1", "1e9", "36500"])
def test_how_long_it_lasts_is_one_of_the_choices(admin: FlaskClient, days: str) -> None:
    assert submit(admin, "/tokens", name="x", role="viewer", days=days).status_code == 400


def test_when_it_was_used_shows_to_the_minute(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    token = make(admin)
    used = "SELECT used_at FROM api_tokens"
    assert sql.execute(used).fetchone() == (None,)
    status(app, token)
    first = sql.execute(used).fetchone()
    status(app, token)
    assert sql.execute(used).fetchone() == first != (None,)
    sql.execute("UPDATE api_tokens SET used_at = used_at - interval '61 seconds'")
    status(app, token)
    assert sql.execute("SELECT used_at > now() - interval '30 seconds' FROM api_tokens").fetchone() == (True,)


def test_while_the_database_is_away_who_was_known_reads_on_for_a_while(database: Database) -> None:
    clock = HandClock()
    away = AwayDatabase(None, database)
    app = manager_app(away, clock=clock)
    admin = signed_in(app)
    token, other = make(admin), make(admin)
    bearer = {"Authorization": f"Bearer {token}"}
    assert status(app, token, "/metrics/targets") == 200

    away.error = DatabaseUnreachable("gone")

    # What it reads is there still, and whom nobody knows learns nothing.
    assert status(app, token, "/metrics") == 200
    assert status(app, other, "/metrics") == 503
    assert status(app, "retinue_made_up", "/metrics") == 503
    assert app.test_client().post("/api/overview", headers=bearer).status_code in (405, 503)
    assert submit_blindly(admin) == 503
    clock.advance(REMEMBERED_SECONDS)
    assert status(app, token, "/metrics") == 503


def submit_blindly(admin: FlaskClient) -> int:
    """Changing something asks the database who it is, whoever is remembered."""
    return admin.post("/tokens", data={"name": "x", "role": "viewer", "days": "30"}).status_code


@pytest.fixture
def boss(app: Flask) -> FlaskClient:
    """An admin who is not the settings' user."""
    return signed_in(app, Role.ADMIN)


def status_of_role(app: Flask, token: str) -> dict[Role, bool]:
    """What the token may do, by the role that it takes."""
    bearer = {"Authorization": f"Bearer {token}"}
    client = app.test_client()
    return {
        Role.VIEWER: client.get("/api/v1/types", headers=bearer).status_code == 200,
        # What there is none of is not found; whoever may not ask is told that instead.
        Role.OPERATOR: client.post("/api/v1/jobs/999999/cancel", headers=bearer).status_code == 404,
    }


@pytest.mark.parametrize(
    ("now", "may"), [("viewer", [True, False]), ("operator", [True, True]), ("admin", [True, True])]
)
def test_a_token_never_may_more_than_its_person_now(
    app: Flask, admin: FlaskClient, boss: FlaskClient, sql: psycopg.Connection, now: str, may: list[bool]
) -> None:
    token = make(boss, role="admin")
    ((person,),) = sql.execute("SELECT id FROM people WHERE name = 'a admin'").fetchall()

    submit(admin, f"/people/{person}/role", role=now)

    assert list(status_of_role(app, token).values()) == may
    assert sql.execute("SELECT person_id, role FROM api_tokens").fetchall() == [(person, "admin")]
    assert f'data-label="Role">{now}<' in admin.get("/tokens").text


def test_a_token_is_refused_while_its_person_is_disabled(
    app: Flask, admin: FlaskClient, boss: FlaskClient, sql: psycopg.Connection
) -> None:
    token = make(boss, role="admin")
    ((person,),) = sql.execute("SELECT id FROM people WHERE name = 'a admin'").fetchall()
    assert status(app, token) == 200
    assert "Their token is refused until then, too" in admin.get(f"/people/{person}/disable/confirm").text

    submit(admin, f"/people/{person}/disable")
    assert status(app, token) == 401
    assert "disabled" in admin.get("/tokens").text

    submit(admin, f"/people/{person}/enable")
    assert status(app, token) == 200


def test_and_not_remembered_while_the_database_is_away(database: Database, sql: psycopg.Connection) -> None:
    away = AwayDatabase(None, database)
    app = manager_app(away)
    app.extensions["test_database"] = database
    admin, boss = signed_in(app), signed_in(app, Role.ADMIN)
    token = make(boss)
    assert status(app, token, "/metrics") == 200
    ((person,),) = sql.execute("SELECT id FROM people WHERE name = 'a admin'").fetchall()

    submit(admin, f"/people/{person}/disable")
    away.error = DatabaseUnreachable("gone")

    assert status(app, token, "/metrics") == 503


def test_the_settings_users_tokens_are_nobodys_and_stay(
    app: Flask, admin: FlaskClient, boss: FlaskClient, sql: psycopg.Connection
) -> None:
    token = make(admin)
    assert sql.execute("SELECT person_id, created_by FROM api_tokens").fetchall() == [(None, USER)]
    ((own,),) = sql.execute("SELECT id FROM people WHERE name = %s", (USER,)).fetchall()

    assert "token" not in re.findall(r"<p>(.*?)</p>", boss.get(f"/people/{own}/disable/confirm").text)[0]
    submit(boss, f"/people/{own}/disable")

    assert status(app, token) == 200
