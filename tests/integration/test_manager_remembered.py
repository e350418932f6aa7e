"""Who reads on while the database is away, and whom one failed look-up does not bring back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import errors as postgres

from infra.postgres.connect import Database, DatabaseUnreachable
from manager.remembered import REMEMBERED_SECONDS
from tests.support.hand_clock import HandClock
from tests.support.manager_server import PASSWORD, USER, FailingDatabase, form_token, manager_app, signed_in, submit

COOKIE = "retinue-local-session"
BASIC = (USER, PASSWORD)
GONE = DatabaseUnreachable("gone")

#: What the server says of one statement, over a connection that works.
OF_A_STATEMENT = [postgres.QueryCanceled("too slow"), postgres.DeadlockDetected("again"), postgres.OutOfMemory("full")]

#: What is said where there is no connection any more.
OF_A_CONNECTION = [
    GONE,
    psycopg.OperationalError("server closed the connection unexpectedly"),
    postgres.AdminShutdown("terminating connection due to administrator command"),
    postgres.ConnectionFailure("broken"),
]


@pytest.fixture
def failing(database: Database) -> FailingDatabase:
    return FailingDatabase(database)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def app(failing: FailingDatabase, clock: HandClock) -> Flask:
    return manager_app(failing, clock=clock)


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def thief_of(client: FlaskClient, app: Flask) -> FlaskClient:
    """Somebody with a copy of this browser's cookie."""
    kept = client.get_cookie(COOKIE)
    assert kept is not None
    thief = app.test_client()
    thief.set_cookie(COOKIE, kept.decoded_value)
    return thief


def asks(app: Flask, failing: FailingDatabase, error: Exception, **given: Any) -> int:
    """What a program gets when only the look-up of who it is fails."""
    failing.next_error = error
    return app.test_client().get("/api/v1/types", **given).status_code


def made_token(admin: FlaskClient) -> str:
    found = re.search(r'id="secret">([^<]+)<', submit(admin, "/tokens", name="x", role="viewer", days="30").text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("error", OF_A_STATEMENT)
def test_a_statement_that_fails_says_nothing_of_who_is_known(
    app: Flask, failing: FailingDatabase, admin: FlaskClient, error: Exception
) -> None:
    assert admin.get("/people").status_code == 200
    assert app.test_client().get("/api/v1/types", auth=BASIC).status_code == 200

    failing.next_error = error

    assert admin.get("/people").status_code == 503
    assert asks(app, failing, error, auth=BASIC) == 503


@pytest.mark.parametrize("error", OF_A_CONNECTION)
def test_a_connection_that_is_lost_brings_back_who_was_known(
    app: Flask, failing: FailingDatabase, clock: HandClock, admin: FlaskClient, error: Exception
) -> None:
    assert admin.get("/people").status_code == 200
    assert app.test_client().get("/api/v1/types", auth=BASIC).status_code == 200

    failing.next_error = error
    assert admin.get("/people").status_code == 200
    assert asks(app, failing, error, auth=BASIC) == 200

    clock.advance(REMEMBERED_SECONDS)
    failing.next_error = error
    assert admin.get("/people").status_code == 503
    assert asks(app, failing, error, auth=BASIC) == 401


def _signs_out(client: FlaskClient) -> None:
    submit(client, "/sign-out")


def _signs_in_anew(client: FlaskClient) -> None:
    token = form_token(client)
    client.post("/sign-in", data={"csrf_token": token, "user": USER, "password": PASSWORD})


def _changes_password(client: FlaskClient) -> None:
    submit(client, "/you/password", current=PASSWORD, password="another long word")


@pytest.mark.parametrize("end", [_signs_out, _signs_in_anew, _changes_password])
def test_a_session_that_has_ended_here_is_forgotten(
    app: Flask, failing: FailingDatabase, admin: FlaskClient, end: Callable[[FlaskClient], None]
) -> None:
    other = signed_in(app) if end is _changes_password else admin
    thief = thief_of(other, app)
    assert thief.get("/people").status_code == 200

    end(admin)
    failing.next_error = GONE

    assert thief.get("/people").status_code == 503


@pytest.mark.parametrize("path", ["sign-out", "disable", "password", "role"])
def test_whom_an_admin_signs_out_or_disables_is_forgotten(
    app: Flask, failing: FailingDatabase, admin: FlaskClient, sql: psycopg.Connection, path: str
) -> None:
    submit(admin, "/people", name="Ada", role="admin", password="a very long word")
    ada = app.test_client()
    submit(ada, "/sign-in", user="Ada", password="a very long word")
    assert ada.get("/people").status_code == 200
    (row,) = sql.execute("SELECT id FROM people WHERE name = 'Ada'").fetchall()

    submit(admin, f"/people/{row[0]}/{path}", role="viewer")
    failing.next_error = GONE

    assert ada.get("/people").status_code == 503


def test_so_is_a_session_that_one_ends_oneself(
    app: Flask, failing: FailingDatabase, admin: FlaskClient, sql: psycopg.Connection
) -> None:
    other = signed_in(app)
    assert other.get("/people").status_code == 200
    (row,) = sql.execute("SELECT max(id) FROM sessions").fetchall()

    submit(admin, f"/you/sessions/{row[0]}/end")
    failing.next_error = GONE

    assert other.get("/people").status_code == 503


def test_so_is_a_token_that_is_revoked(
    app: Flask, failing: FailingDatabase, admin: FlaskClient, sql: psycopg.Connection
) -> None:
    bearer = {"Authorization": f"Bearer {made_token(admin)}"}
    assert app.test_client().get("/api/v1/types", headers=bearer).status_code == 200
    (row,) = sql.execute("SELECT id FROM api_tokens").fetchall()

    submit(admin, f"/tokens/{row[0]}/revoke")

    assert asks(app, failing, GONE, headers=bearer) == 503


def test_the_settings_password_is_forgotten_with_a_password_of_ones_own(
    app: Flask, failing: FailingDatabase, admin: FlaskClient
) -> None:
    assert app.test_client().get("/api/v1/types", auth=BASIC).status_code == 200

    _changes_password(admin)

    assert asks(app, failing, GONE, auth=BASIC) == 401


@pytest.mark.parametrize("change", ["disabled_at = now()", "password_hash = '$argon2id$x', password_set_at = now()"])
def test_what_was_changed_elsewhere_holds_from_the_first_look(
    app: Flask, failing: FailingDatabase, admin: FlaskClient, sql: psycopg.Connection, change: str
) -> None:
    assert app.test_client().get("/api/v1/types", auth=BASIC).status_code == 200
    sql.execute(f"UPDATE people SET {change}".encode())  # noqa: S608 - from the list above
    assert app.test_client().get("/api/v1/types", auth=BASIC).status_code == 401

    assert asks(app, failing, GONE, auth=BASIC) == 401


def test_guessing_is_slowed_down_meanwhile_and_no_token_is_a_password(app: Flask, failing: FailingDatabase) -> None:
    assert app.test_client().get("/api/v1/types", auth=BASIC).status_code == 200

    bearer = {"Authorization": f"Bearer {USER}:{PASSWORD}"}

    assert asks(app, failing, GONE, headers=bearer) == 503
    assert [asks(app, failing, GONE, auth=(USER, "a guess")) for _ in range(6)] == [401] * 5 + [429]
