"""Who came, went, was not let in or may not act is written down; what changed nothing is not."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.breakers import Attempt
from infra.postgres.connect import Database
from infra.postgres.incidents import list_incidents, open_incident
from infra.roles import Role
from manager.refusals import FREE_ROWS
from tests.support.hand_clock import HandClock
from tests.support.manager_server import PASSWORD, USER, add_person, form_token, manager_app, signed_in, submit
from tests.support.overview_rows import add_account


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def app(database: Database, clock: HandClock) -> Flask:
    return manager_app(database, clock=clock)


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    return signed_in(app)


def noted(sql: psycopg.Connection, action: str) -> list[tuple[Any, ...]]:
    query = "SELECT actor_name, target_id, detail FROM operator_actions WHERE action = %s ORDER BY id"
    return sql.execute(query, (action,)).fetchall()


def person_id(sql: psycopg.Connection, name: str) -> str:
    ((found,),) = sql.execute("SELECT id FROM people WHERE name = %s", (name,)).fetchall()
    return str(found)


def fail(app: Flask, name: str) -> None:
    assert submit(app.test_client(), "/sign-in", user=name, password="a wrong one").status_code == 401


def test_who_signs_in_and_out(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    own = person_id(sql, USER)
    token = form_token(admin)
    submit(admin, "/sign-out")

    assert noted(sql, "person.sign_in") == [(USER, own, {"by": "password"})]
    assert noted(sql, "person.sign_out") == [(USER, own, {"name": USER, "sessions": 1})]
    admin.post("/sign-out", data={"csrf_token": token})
    assert len(noted(sql, "person.sign_out")) == 1


def test_who_is_not_let_in_is_named_if_there_is_somebody_of_that_name(
    app: Flask, database: Database, sql: psycopg.Connection
) -> None:
    add_person(database, "Ada", Role.VIEWER)
    typed_wrong = "my password in the wrong field"

    for name in ("ada", USER, typed_wrong):
        fail(app, name)
    app.test_client().get("/api/v1/types", auth=("Ada", "a wrong one"))

    told = [("Ada", person_id(sql, "Ada")), (USER, None), ("unknown", None), ("Ada", person_id(sql, "Ada"))]
    assert noted(sql, "person.sign_in_refused") == [
        ("unknown", target, {"name": name, "by": "password", "attempts": 1}) for name, target in told
    ]
    assert typed_wrong not in str(sql.execute("SELECT * FROM operator_actions").fetchall())
    assert sql.execute("SELECT DISTINCT address FROM operator_actions").fetchall() == [("127.0.0.1",)]


def test_whoever_guesses_on_does_not_fill_the_audit(app: Flask, clock: HandClock, sql: psycopg.Connection) -> None:
    def guess(times: int) -> None:
        for n in range(times):
            # Each from an address, and by a name, of its own.
            client = app.test_client()
            form = {"csrf_token": form_token(client), "user": f"name {n}", "password": "a wrong one"}
            answer = client.post("/sign-in", data=form, environ_base={"REMOTE_ADDR": f"192.0.2.{n}"})
            assert answer.status_code == 401

    guess(FREE_ROWS + 15)
    assert len(noted(sql, "person.sign_in_refused")) == FREE_ROWS
    clock.advance(60)
    guess(1)
    assert [row[2]["attempts"] for row in noted(sql, "person.sign_in_refused")] == [1] * FREE_ROWS + [16]


def test_an_act_without_the_role_for_it(app: Flask, sql: psycopg.Connection) -> None:
    viewer = signed_in(app, Role.VIEWER)

    for _ in range(FREE_ROWS + 5):
        assert submit(viewer, "/jobs/1/cancel").status_code == 403
    assert viewer.get("/people").status_code == 403

    rows = noted(sql, "act.refused")
    why = "This needs the role operator; yours is viewer."
    assert rows[0] == ("a viewer", "jobs.act", {"path": "/jobs/1/cancel", "why": why, "attempts": 1})
    assert len(rows) == FREE_ROWS


def test_a_session_that_is_not_there_is_not_ended(admin: FlaskClient, sql: psycopg.Connection) -> None:
    submit(admin, "/you/sessions/99999999/end")
    assert "You have no such session." in admin.get("/you").text
    submit(admin, "/you/sessions/end-others")

    assert noted(sql, "session.end") == noted(sql, "person.sign_out") == []


def test_what_a_person_is_already_is_not_noted_again(
    app: Flask, admin: FlaskClient, sql: psycopg.Connection, database: Database
) -> None:
    add_person(database, "Ada", Role.VIEWER)
    ada = person_id(sql, "Ada")

    for path, form in (("role", {"role": "operator"}), ("disable", {}), ("enable", {}), ("sign-out", {})):
        for _ in range(2):
            submit(admin, f"/people/{ada}/{path}", **form)

    counts = [len(noted(sql, f"person.{name}")) for name in ("role", "disable", "enable", "sign_out")]
    assert counts == [1, 1, 1, 0]


def test_an_incident_is_resolved_once(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    account = add_account(sql, "Northwind")
    made = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, 'imap', 'main', '{}', '') RETURNING id",
        (account,),
    ).fetchall()
    open_incident(sql, made[0][0], kind="credential", reason="login refused", attempt=Attempt(1, 1))
    (incident,) = list_incidents(sql)

    for said in ("It is resolved, and its lanes go on.", "It was over already."):
        submit(admin, f"/incidents/{incident.id}/resolve")
        assert said in admin.get(f"/incidents/{incident.id}").text
    api = admin.post(f"/api/v1/incidents/{incident.id}/resolve", headers={"X-CSRFToken": form_token(admin)})

    assert api.status_code == 200
    assert [row[:2] for row in noted(sql, "incident.resolve")] == [(USER, str(incident.id))]


def test_a_wrong_present_password_is_noted_too(admin: FlaskClient, sql: psycopg.Connection) -> None:
    submit(admin, "/you/password", current="a guess", password="another long word")

    assert [row[2]["name"] for row in noted(sql, "person.sign_in_refused")] == [USER]
    assert PASSWORD not in str(sql.execute("SELECT * FROM operator_actions").fetchall())
