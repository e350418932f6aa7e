"""What somebody of ill will tries on the manager: none of it works."""

from __future__ import annotations

import re

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer

from infra.postgres.connect import Database
from infra.roles import Role
from manager.guesses import FREE_FAILURES_OF_NAME
from manager.throttle import FREE_FAILURES, MAX_WAIT_SECONDS
from tests.support.hand_clock import HandClock
from tests.support.manager_server import (
    PASSWORD,
    USER,
    add_person,
    form_token,
    manager_app,
    signed_in,
    submit,
    submit_with,
)

COOKIE = "retinue-local-session"


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def victim(app: Flask) -> FlaskClient:
    return signed_in(app)


def cookie_of(client: FlaskClient) -> str:
    kept = client.get_cookie(COOKIE)
    assert kept is not None
    return kept.decoded_value


def with_cookie(app: Flask, value: str) -> FlaskClient:
    client = app.test_client()
    client.set_cookie(COOKIE, value)
    return client


# Sessions


def test_a_session_planted_before_the_sign_in_is_worth_nothing_after_it(app: Flask) -> None:
    """Session fixation: the attacker has a session, gets the victim to use it, and waits."""
    attacker = app.test_client()
    form_token(attacker)
    planted = cookie_of(attacker)
    victim = with_cookie(app, planted)

    assert submit(victim, "/sign-in", user=USER, password=PASSWORD).status_code == 303

    assert cookie_of(victim) != planted
    assert victim.get("/").status_code == 200
    assert with_cookie(app, planted).get("/").status_code == 302
    # Nor does the form token of that session serve for the new one.
    token = form_token(attacker)
    assert victim.post("/sign-out", data={"csrf_token": token}).status_code == 400


def test_signing_in_again_ends_the_session_before(app: Flask, victim: FlaskClient) -> None:
    before = cookie_of(victim)

    submit(victim, "/sign-in", user=USER, password=PASSWORD)

    assert with_cookie(app, before).get("/").status_code == 302


def test_a_cookie_copied_before_signing_out_is_worth_nothing(app: Flask, victim: FlaskClient) -> None:
    copied = cookie_of(victim)
    assert with_cookie(app, copied).get("/").status_code == 200

    submit(victim, "/sign-out")

    assert with_cookie(app, copied).get("/").status_code == 302


def test_a_cookie_changed_in_any_place_is_worth_nothing(app: Flask, victim: FlaskClient) -> None:
    good = cookie_of(victim)
    for place in range(0, len(good) - 1, 7):
        changed = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        assert with_cookie(app, changed).get("/").status_code == 302, place


def test_a_cookie_signed_with_a_guessed_key_is_worth_nothing(app: Flask, victim: FlaskClient) -> None:
    for key in ("", "secret", "dev", USER, PASSWORD):
        forged = URLSafeTimedSerializer(key or "x", salt="cookie-session").dumps({"session": "x", "_permanent": True})
        assert with_cookie(app, forged).get("/").status_code == 302


def test_what_the_database_holds_opens_nothing(app: Flask, victim: FlaskClient, sql: psycopg.Connection) -> None:
    """Whoever reads a backup has digests, which no cookie and no header can be made of."""
    submit(victim, "/tokens", name="x", role="admin", days="30")
    digests = [row[0] for row in sql.execute("SELECT digest FROM sessions UNION ALL SELECT digest FROM api_tokens")]

    for digest in digests:
        for text in (digest.hex(), f"retinue_{digest.hex()}"):
            bearer = {"Authorization": f"Bearer {text}"}
            assert app.test_client().get("/metrics", headers=bearer).status_code == 401


def test_over_https_only_this_very_host_can_set_the_cookie(app: Flask) -> None:
    cookie = app.test_client().get("/sign-in", base_url="https://retinue.example").headers["Set-Cookie"]

    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie


def test_the_cookie_of_plain_http_does_not_serve_over_https(app: Flask, victim: FlaskClient) -> None:
    planted = with_cookie(app, cookie_of(victim))

    assert planted.get("/", base_url="https://localhost").status_code == 302


# Forms of other sites


def test_a_form_needs_the_token_of_its_own_session(app: Flask, victim: FlaskClient) -> None:
    other = signed_in(app, Role.ADMIN)

    for token in ("", "x", form_token(other), form_token(app.test_client())):
        answer = victim.post("/people", data={"csrf_token": token, "name": "Mallory", "role": "admin"})
        assert (answer.status_code, "load the page again" in answer.text) == (400, True)
    assert victim.post("/people", headers={"X-CSRFToken": "x"}).status_code == 400
    assert "Mallory" not in victim.get("/people").text


def test_the_token_in_a_script_s_header_is_as_good(victim: FlaskClient) -> None:
    headers = {"X-CSRFToken": form_token(victim)}

    assert victim.post("/people", data={"name": "Ada", "role": "viewer"}, headers=headers).status_code == 200


def test_a_token_in_the_address_is_not_taken(victim: FlaskClient) -> None:
    """It would stand in logs and histories."""
    assert victim.post(f"/sign-out?csrf_token={form_token(victim)}").status_code == 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "multipart/form-data; boundary=x"])
def test_a_body_of_another_kind_is_no_way_around(victim: FlaskClient, content_type: str) -> None:
    answer = victim.post("/sign-out", data=b'{"csrf_token": "x"}', content_type=content_type)

    assert answer.status_code == 400
    assert victim.get("/").status_code == 200


def test_a_method_in_disguise_is_none(victim: FlaskClient) -> None:
    for headers in ({"X-HTTP-Method-Override": "POST"}, {"X-Method-Override": "POST"}):
        assert victim.get("/sign-out?_method=POST", headers=headers).status_code == 405
    assert victim.get("/").status_code == 200


# Guessing


def guess(client: FlaskClient, name: str, address: str = "192.0.2.1") -> int:
    data = {"csrf_token": form_token(client), "user": name, "password": "a guess"}
    return client.post("/sign-in", data=data, environ_base={"REMOTE_ADDR": address}).status_code


def test_one_address_that_tries_many_names_has_to_wait(database: Database) -> None:
    clock = HandClock()
    client = manager_app(database, clock=clock).test_client()

    answers = [guess(client, f"name {number}") for number in range(FREE_FAILURES + 1)]
    assert answers == [401] * FREE_FAILURES + [429]
    tried = 0
    for _ in range(200):
        clock.advance(5)
        tried += guess(client, "name") == 401
    assert 1000 / MAX_WAIT_SECONDS - 1 <= tried <= 1000 / MAX_WAIT_SECONDS + 5


def test_many_addresses_that_try_one_name_have_to_wait(app: Flask, database: Database) -> None:
    add_person(database, "Ada", Role.VIEWER)
    client = app.test_client()

    answers = [guess(client, "ADA" if n % 2 else "ada", f"192.0.2.{n}") for n in range(FREE_FAILURES_OF_NAME + 1)]

    assert answers == [401] * FREE_FAILURES_OF_NAME + [429]
    # Others are not held up by it.
    assert submit(client, "/sign-in", user=USER, password=PASSWORD).status_code == 303


def test_a_name_that_nobody_can_have_is_not_remembered_whole(app: Flask) -> None:
    client = app.test_client()
    names = ("n" * 5_000 + str(number) for number in range(FREE_FAILURES_OF_NAME + 1))

    answers = [guess(client, name, f"192.0.2.{number}") for number, name in enumerate(names)]

    assert answers[-1] == 429


def test_the_addresses_of_one_network_count_as_one(app: Flask) -> None:
    client = app.test_client()

    answers = [guess(client, f"name {n}", f"2001:db8:7:1::{n}") for n in range(1, FREE_FAILURES + 2)]

    assert answers[-1] == 429
    assert guess(client, "name", "2001:db8:7:2::1") == 401


def test_a_made_up_forwarded_address_is_not_believed(app: Flask) -> None:
    client = app.test_client()
    for _ in range(FREE_FAILURES):
        guess(client, "x")

    data = {"csrf_token": form_token(client), "user": "x", "password": "y"}
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        answer = client.post(
            "/sign-in", data=data, headers={header: "198.51.100.1"}, environ_base={"REMOTE_ADDR": "192.0.2.1"}
        )
        assert answer.status_code == 429


#: What differs from second to second: the time, and the form's token.
OF_ITS_SECOND = r'content="[\dT:.Z-]+"|(?:csrf_token" value|csrf" content)="[^"]+"'


def test_no_answer_tells_whether_a_name_is_known(app: Flask, database: Database) -> None:
    add_person(database, "Ada", Role.VIEWER)
    client = app.test_client()
    pages = []
    for name in ("Ada", "Bob", USER):
        answer = submit(client, "/sign-in", user=name, password="a guess")
        pages.append((answer.status_code, re.sub(OF_ITS_SECOND, "", answer.text.replace(name, ""))))

    assert pages[0] == pages[1] == pages[2]


@pytest.mark.parametrize("name", ["' OR 1=1 --", "admin'/*", "a" * 5000, "operator\u200b", "ｏｐｅｒａｔｏｒ"])
def test_strange_names_are_wrong_ones(app: Flask, name: str) -> None:
    assert submit(app.test_client(), "/sign-in", user=name, password=PASSWORD).status_code == 401


def test_a_password_of_any_length_costs_no_more(app: Flask) -> None:
    answer = submit(app.test_client(), "/sign-in", user=USER, password="x" * 15_000)

    assert answer.status_code == 401


# Being led elsewhere


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\\/evil.example", "/\r\nLocation: //evil.example"],
)
def test_no_form_leads_to_another_site(victim: FlaskClient, elsewhere: str) -> None:
    told = submit(victim, "/preferences/theme", theme="dark", next=elsewhere)
    referred = submit_with(victim, "/preferences/theme", {"Referer": "https://evil.example/x"}, theme="dark")

    assert [answer.headers["Location"] for answer in (told, referred)] == ["/", "/"]


def test_the_sign_in_form_keeps_no_other_site_s_address(app: Flask) -> None:
    page = app.test_client().get("/sign-in?next=https://evil.example/").text

    assert "evil.example" not in page
