"""Who may sign in, and what becomes of it when an admin changes that."""

from __future__ import annotations

import re

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.connect import Database
from infra.roles import Role
from tests.support.manager_server import PASSWORD, USER, add_person, form_token, manager_app, signed_in, submit


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    """The settings' user."""
    return signed_in(app)


def person_id(sql: psycopg.Connection, name: str) -> int:
    row = sql.execute("SELECT id FROM people WHERE name = %s", (name,)).fetchone()
    assert row is not None
    return int(row[0])


def noted(sql: psycopg.Connection) -> list[tuple[str, str, str | None]]:
    """What was written down, the sign-ins left out."""
    rows = sql.execute("SELECT actor_name, action, detail ->> 'name' FROM operator_actions ORDER BY id")
    return [(row[0], row[1], row[2]) for row in rows if row[1] != "person.sign_in"]


def secret_in(page: str) -> str:
    found = re.search(r'id="secret">([^<]+)<', page)
    assert found, page
    return found[1]


def sign_in(app: Flask, name: str, password: str) -> FlaskClient | None:
    client = app.test_client()
    return client if submit(client, "/sign-in", user=name, password=password).status_code == 303 else None


def test_the_settings_user_is_the_first_admin(admin: FlaskClient, sql: psycopg.Connection) -> None:
    page = admin.get("/people").text

    assert f">{USER}</a>" in page
    assert "the password in the settings" in page
    assert sql.execute("SELECT name, role FROM people").fetchall() == [(USER, "admin")]


def test_somebody_is_added_with_a_password_they_know(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    made = submit(admin, "/people", name="Ada", role="operator", password="a very long word")

    assert (made.status_code, secret_in(made.text)) == (200, "a very long word")
    assert made.headers["Cache-Control"] == "no-store"
    ada = sign_in(app, "Ada", "a very long word")
    assert ada is not None
    assert ada.get("/").status_code == 200
    assert ada.get("/people").status_code == 403
    assert noted(sql) == [(USER, "person.add", "Ada")]
    assert "a very long word" not in str(sql.execute("SELECT * FROM people, operator_actions").fetchall())


def test_or_with_one_that_is_made_and_shown_once(app: Flask, admin: FlaskClient) -> None:
    password = secret_in(submit(admin, "/people", name="Ada", role="viewer", password="").text)

    assert len(password) == 20
    assert sign_in(app, "ada", password) is not None


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "Ada", "role": "viewer", "password": "short"}, "12 to 1024 characters"),
        ({"name": "administrator", "role": "viewer", "password": "Administrator"}, "is not the name"),
        ({"name": "", "role": "viewer", "password": ""}, "is no name"),
        ({"name": "a:b", "role": "viewer", "password": ""}, "no colon"),
        ({"name": USER.upper(), "role": "viewer", "password": ""}, "already"),
    ],
)
def test_who_cannot_be_added_is_not(
    admin: FlaskClient, sql: psycopg.Connection, form: dict[str, str], said: str
) -> None:
    answer = admin.post("/people", data={**form, "csrf_token": form_token(admin)}, follow_redirects=True)

    assert said in answer.text
    assert sql.execute("SELECT count(*) FROM people").fetchone() == (1,)


def test_a_role_that_there_is_not_is_refused(admin: FlaskClient) -> None:
    assert submit(admin, "/people", name="Ada", role="root").status_code == 400


def test_a_new_role_holds_from_the_next_request_on(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    viewer = signed_in(app, Role.VIEWER)
    assert viewer.get("/people").status_code == 403

    submit(admin, f"/people/{person_id(sql, 'a viewer')}/role", role="admin")
    assert viewer.get("/people").status_code == 200

    submit(admin, f"/people/{person_id(sql, 'a viewer')}/role", role="viewer")
    assert viewer.get("/people").status_code == 403
    assert noted(sql) == [(USER, "person.role", "a viewer")] * 2


def test_disabling_signs_out_at_once_and_enabling_lets_in_again(
    app: Flask, admin: FlaskClient, sql: psycopg.Connection
) -> None:
    viewer = signed_in(app, Role.VIEWER)
    ada = person_id(sql, "a viewer")
    asked = admin.get(f"/people/{ada}/disable/confirm").text
    assert "is signed out of 1 session at once" in asked

    submit(admin, f"/people/{ada}/disable")

    assert viewer.get("/").status_code == 302
    assert sign_in(app, "a viewer", PASSWORD) is None
    submit(admin, f"/people/{ada}/enable")
    assert viewer.get("/").status_code == 302
    assert sign_in(app, "a viewer", PASSWORD) is not None


def test_a_new_password_ends_every_session(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    viewer = signed_in(app, Role.VIEWER)

    made = secret_in(submit(admin, f"/people/{person_id(sql, 'a viewer')}/password").text)

    assert viewer.get("/").status_code == 302
    assert sign_in(app, "a viewer", PASSWORD) is None
    assert sign_in(app, "a viewer", made) is not None


def test_an_admin_signs_somebody_out_everywhere(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    browsers = [signed_in(app, Role.VIEWER) for _ in range(2)]

    submit(admin, f"/people/{person_id(sql, 'a viewer')}/sign-out")

    assert [browser.get("/").status_code for browser in browsers] == [302, 302]
    assert admin.get("/").status_code == 200


def test_the_last_admin_stays_one(admin: FlaskClient, sql: psycopg.Connection, database: Database) -> None:
    own = person_id(sql, USER)

    submit(admin, f"/people/{own}/role", role="viewer")
    assert "This is the last admin" in admin.get(f"/people/{own}").text
    submit(admin, f"/people/{own}/disable")
    assert "This is you" in admin.get(f"/people/{own}").text
    assert sql.execute("SELECT role, disabled_at FROM people").fetchall() == [("admin", None)]

    add_person(database, "Ada", Role.ADMIN)
    submit(admin, f"/people/{own}/role", role="viewer")
    assert admin.get("/people").status_code == 403


def test_a_password_of_its_own_ends_the_settings_one(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    own = person_id(sql, USER)
    assert app.test_client().get("/api/overview", auth=(USER, PASSWORD)).status_code == 200

    made = secret_in(submit(admin, f"/people/{own}/password").text)

    assert app.test_client().get("/api/overview", auth=(USER, PASSWORD)).status_code == 401
    assert app.test_client().get("/api/overview", auth=(USER, made)).status_code == 200


def test_the_settings_user_who_is_disabled_stays_out(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    sql.execute("UPDATE people SET disabled_at = now()")

    assert admin.get("/").status_code == 302
    assert sign_in(app, USER, PASSWORD) is None
    assert app.test_client().get("/metrics", auth=(USER, PASSWORD)).status_code == 401


def test_one_changes_ones_own_password_and_stays_signed_in_here_alone(app: Flask) -> None:
    here, elsewhere = signed_in(app, Role.VIEWER), signed_in(app, Role.VIEWER)

    wrong = submit(here, "/you/password", current="a guess", password="another long word")
    assert "The present password is wrong." in here.get(wrong.headers["Location"]).text
    weak = submit(here, "/you/password", current=PASSWORD, password="short")
    assert "12 to 1024" in here.get(weak.headers["Location"]).text
    submit(here, "/you/password", current=PASSWORD, password="another long word")

    assert here.get("/you").status_code == 200
    assert elsewhere.get("/you").status_code == 302
    assert sign_in(app, "a viewer", "another long word") is not None


def test_one_ends_ones_own_sessions_and_nobody_elses(app: Flask, admin: FlaskClient, sql: psycopg.Connection) -> None:
    here, there, further = (signed_in(app, Role.VIEWER) for _ in range(3))
    ids = [row[0] for row in sql.execute("SELECT id FROM sessions ORDER BY id")]

    submit(here, f"/you/sessions/{ids[0]}/end")
    assert admin.get("/").status_code == 200
    submit(here, f"/you/sessions/{ids[2]}/end")
    assert [client.get("/").status_code for client in (here, there, further)] == [200, 302, 200]
    submit(here, "/you/sessions/end-others")
    assert [client.get("/").status_code for client in (here, further, admin)] == [200, 302, 200]


def test_an_old_hash_is_made_anew_at_the_next_sign_in(app: Flask, sql: psycopg.Connection, database: Database) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    add_person(database, "Ada", Role.VIEWER)
    sql.execute("UPDATE people SET password_hash = %s WHERE name = 'Ada'", (weak,))

    assert sign_in(app, "Ada", PASSWORD) is not None

    row = sql.execute("SELECT password_hash FROM people WHERE name = 'Ada'").fetchone()
    assert row is not None
    assert row[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert sign_in(app, "Ada", PASSWORD) is not None


def test_pages_of_nobody_are_not_there(admin: FlaskClient) -> None:
    answers = [admin.get(path) for path in ("/people/99", "/people/99/disable/confirm", "/tokens/99/revoke/confirm")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert "There is no person" in answers[0].text
