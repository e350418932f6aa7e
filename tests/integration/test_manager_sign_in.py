"""Who gets in, and how hard it is for the others."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from infra.keys import generate_key
from infra.postgres.connect import Database
from infra.settings_checks import DEFAULT_PASSWORD
from manager.sessions import SESSION_SECONDS
from manager.throttle import FREE_FAILURES
from tests.support.hand_clock import HandClock
from tests.support.manager_server import PASSWORD, USER, form_token, manager_app, signed_in, submit, submit_with

BASIC = (USER, PASSWORD)


@pytest.fixture
def client(database: Database) -> FlaskClient:
    return manager_app(database).test_client()


def sign_in(client: FlaskClient, password: str = PASSWORD, *, leads_to: str = "") -> TestResponse:
    return submit(client, "/sign-in", user=USER, password=password, next=leads_to)


def test_the_page_sends_a_stranger_to_the_sign_in_and_back(client: FlaskClient) -> None:
    answer = client.get("/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in?next=/")
    assert sign_in(client).headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client: FlaskClient) -> None:
    cookie = sign_in(client).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert PASSWORD not in cookie


def test_over_https_the_cookie_stays_on_https(client: FlaskClient) -> None:
    answer = client.get("/sign-in", base_url="https://localhost")

    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"user": USER},
        {"user": USER, "password": ""},
        {"user": USER, "password": PASSWORD + "x"},
        {"user": "someone", "password": PASSWORD},
        {"user": f"{USER}:a", "password": "long one for tests"},
    ],
)
def test_anything_else_is_refused_without_saying_what_was_wrong(client: FlaskClient, form: dict[str, str]) -> None:
    token = form_token(client)
    answer = client.post("/sign-in", data={"csrf_token": token, **form})

    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("cookie", ["", "nonsense", "eyJ1c2VyIjoib3BlcmF0b3IifQ.aP7xQQ.AAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_a_made_up_cookie_opens_nothing(client: FlaskClient, cookie: str) -> None:
    client.set_cookie("retinue-local-session", cookie)

    assert client.get("/").status_code == 302


def test_signing_out_ends_it(client: FlaskClient) -> None:
    sign_in(client)

    assert submit(client, "/sign-out").headers["Location"] == "/sign-in"
    assert client.get("/").status_code == 302


def test_a_session_ends_half_a_day_after_signing_in_however_busy(client: FlaskClient, sql: psycopg.Connection) -> None:
    sign_in(client)
    assert "Set-Cookie" not in client.get("/").headers

    row = sql.execute("SELECT extract(epoch FROM expires_at - created_at), seen_at < expires_at FROM sessions")
    assert row.fetchone() == (SESSION_SECONDS, True)
    sql.execute("UPDATE sessions SET expires_at = now()")

    assert client.get("/").status_code == 302


def _cookie(client: FlaskClient) -> str:
    kept = client.get_cookie("retinue-local-session")
    assert kept is not None
    return kept.decoded_value


def test_managers_with_one_key_share_sessions_and_a_new_password_ends_them(database: Database) -> None:
    key = generate_key().render()
    client = signed_in(manager_app(database, secret_key=key))

    cases: list[tuple[dict[str, Any], int]] = [
        ({"secret_key": key}, 200),
        ({"secret_key": key, "manager_user": "other"}, 302),
        ({"secret_key": generate_key().render()}, 302),
        ({"secret_key": key, "manager_password": "another"}, 302),
        ({}, 302),
    ]
    for settings, status in cases:
        other = manager_app(database, **settings).test_client()
        other.set_cookie("retinue-local-session", _cookie(client))
        assert other.get("/").status_code == status


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_forms_of_other_sites_are_refused(client: FlaskClient, path: str, site: str) -> None:
    sign_in(client)

    answer = submit_with(client, path, {"Sec-Fetch-Site": site}, user=USER, password=PASSWORD)

    assert answer.status_code == 403
    assert client.get("/").status_code == 200  # still signed in


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/", "/"),
        ("/api/overview", "/api/overview"),
        ("/jobs?q=type:a.sync&state=failed", "/jobs?q=type:a.sync&state=failed"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("/ /evil.example", "/"),
        ("///evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("evil.example", "/"),
        ("/é", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_nowhere_else(client: FlaskClient, wanted: str, leads_to: str) -> None:
    assert sign_in(client, leads_to=wanted).headers["Location"] == leads_to


def test_the_api_takes_basic_and_asks_for_it(client: FlaskClient) -> None:
    refused = client.get("/api/overview")

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert refused.json is not None
    assert refused.json["error"]["code"] == "unauthorized"
    assert client.get("/api/overview", auth=BASIC).status_code == 200
    assert client.get("/api/overview", auth=(USER, "wrong")).status_code == 401


def test_pages_do_not_take_basic_because_browsers_would_send_it_from_other_sites(client: FlaskClient) -> None:
    answer = client.get("/", auth=BASIC)

    assert answer.status_code == 302
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic b3BlcmF0b3I=", "Bearer x", "Basic /////w=="])
def test_an_unreadable_authorization_is_a_wrong_one(client: FlaskClient, header: str) -> None:
    assert client.get("/api/overview", headers={"Authorization": header}).status_code == 401


def test_guessing_is_slowed_down_for_the_form_and_the_api_alike(database: Database) -> None:
    clock = HandClock()
    client = manager_app(database, clock=clock).test_client()
    for _ in range(FREE_FAILURES):
        sign_in(client, "wrong")

    answers = [sign_in(client), client.get("/api/overview", auth=BASIC)]

    assert [(answer.status_code, answer.headers["Retry-After"]) for answer in answers] == [(429, "1"), (429, "1")]
    assert "Too many wrong attempts. Try again in 1 s." in answers[0].text
    clock.advance(1)
    assert sign_in(client).status_code == 303


def test_with_the_password_everyone_knows_only_local_names_are_answered(database: Database) -> None:
    client = manager_app(database, manager_password=DEFAULT_PASSWORD).test_client()

    for host, status in (
        ("localhost:8600", 200),
        ("127.0.0.1:8600", 200),
        ("rebound.example", 400),
    ):
        assert client.get("/sign-in", headers={"Host": host}).status_code == status
    assert "set RETINUE_MANAGER_PASSWORD" in client.get("/", headers={"Host": "rebound.example"}).text


def test_with_an_own_password_any_name_is(client: FlaskClient) -> None:
    assert client.get("/sign-in", headers={"Host": "retinue.example"}).status_code == 200
