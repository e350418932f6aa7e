"""Signing in at an identity provider, and every way in which its word is not taken."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from werkzeug.test import TestResponse

from infra.postgres.connect import Database
from tests.support.manager_server import PASSWORD, USER, manager_app, signed_in, submit
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, new_key, part, running

ROLES = {"sre": "admin", "CN=Support,DC=example": "operator", "staff": "viewer"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    given = Provider()
    given.claims["groups"] = ["staff", "other"]
    with running(given) as provider:
        yield provider


def app_of(database: Database, provider: Provider, **settings: Any) -> Flask:
    given = {
        "oidc_issuer": provider.address,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_role_claim": "groups",
        "oidc_roles": ROLES,
    }
    return manager_app(database, **{**given, **settings})


@pytest.fixture
def app(database: Database, provider: Provider) -> Flask:
    return app_of(database, provider)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def begin(client: FlaskClient, next_path: str = "") -> str:
    """The address with which the provider sends somebody back."""
    asked = client.get("/sign-in/oidc", query_string={"next": next_path} if next_path else None)
    assert asked.status_code == 302
    answer = requests.get(asked.headers["Location"], allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def come_back(client: FlaskClient, address: str) -> TestResponse:
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


def sign_in(client: FlaskClient) -> TestResponse:
    return come_back(client, begin(client))


def people(sql: psycopg.Connection) -> list[tuple[Any, ...]]:
    return sql.execute("SELECT name, role, oidc_subject FROM people ORDER BY id").fetchall()


def noted(sql: psycopg.Connection) -> list[tuple[Any, ...]]:
    return sql.execute("SELECT actor_name, action, detail FROM operator_actions ORDER BY id").fetchall()


def test_somebody_signs_in_there_and_is_somebody_here(
    client: FlaskClient, provider: Provider, sql: psycopg.Connection
) -> None:
    assert 'href="/sign-in/oidc?next=/"' in client.get("/sign-in").text

    answer = sign_in(client)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert client.get("/").status_code == 200
    assert people(sql) == [("Ada", "viewer", "u-1")]
    assert noted(sql) == [
        ("Ada", "person.add", {"name": "Ada", "role": "viewer", "by": "oidc"}),
        ("Ada", "person.sign_in", {"by": "oidc"}),
    ]


def test_the_way_there_carries_pkce_a_state_and_a_nonce(client: FlaskClient) -> None:
    given = parse_qs(urlsplit(client.get("/sign-in/oidc").headers["Location"]).query)

    assert given["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(given)
    again = parse_qs(urlsplit(client.get("/sign-in/oidc").headers["Location"]).query)
    assert all(given[name] != again[name] for name in ("state", "nonce", "code_challenge"))


def test_one_comes_to_the_page_that_was_asked_for_and_to_no_other_site(client: FlaskClient) -> None:
    assert come_back(client, begin(client, "/audit?actor=Ada")).headers["Location"] == "/audit?actor=Ada"
    assert come_back(client, begin(client, "//evil.example")).headers["Location"] == "/"


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["staff"], "viewer"),
        (["staff", "sre"], "admin"),
        ("CN=Support,DC=example", "operator"),
        (["x", 7, None, {"sre": 1}, "staff"], "viewer"),
    ],
)
def test_the_role_is_the_highest_of_ones_groups(
    client: FlaskClient, provider: Provider, sql: psycopg.Connection, groups: object, role: str
) -> None:
    provider.claims["groups"] = groups
    sign_in(client)
    assert people(sql) == [("Ada", role, "u-1")]


@pytest.mark.parametrize("groups", [[], ["admin"], None, 7, {"sre": True}, "STAFF"])
def test_who_has_no_role_stays_out(
    client: FlaskClient, provider: Provider, sql: psycopg.Connection, groups: object
) -> None:
    provider.claims["groups"] = groups
    answer = sign_in(client)
    assert answer.status_code == 403
    assert "gives you no role here" in answer.text
    assert client.get("/").status_code == 302
    assert people(sql) == []


def test_without_a_table_the_claim_names_the_role_however_deep_it_lies(
    database: Database, provider: Provider, sql: psycopg.Connection
) -> None:
    provider.claims["realm_access"] = {"roles": ["offline_access", "operator"]}
    app = app_of(database, provider, oidc_roles=None, oidc_role_claim="realm_access.roles")
    sign_in(app.test_client())
    assert people(sql) == [("Ada", "operator", "u-1")]


def test_a_role_that_only_the_userinfo_tells_is_asked_for_there(
    client: FlaskClient, provider: Provider, sql: psycopg.Connection
) -> None:
    del provider.claims["groups"]
    provider.more = {"groups": ["sre"]}
    sign_in(client)
    assert people(sql) == [("Ada", "admin", "u-1")]


def test_but_not_where_it_tells_of_somebody_else(client: FlaskClient, provider: Provider) -> None:
    del provider.claims["groups"]
    provider.more = {"groups": ["sre"], "sub": "u-2"}
    assert sign_in(client).status_code == 401


def test_a_new_name_and_role_there_are_the_same_person_here(
    client: FlaskClient, app: Flask, provider: Provider, sql: psycopg.Connection
) -> None:
    sign_in(client)
    provider.claims |= {"preferred_username": "Countess", "groups": ["sre"]}
    for _ in range(2):
        sign_in(app.test_client())
    assert people(sql) == [("Ada", "admin", "u-1")]
    changed = {"name": "Ada", "before": "viewer", "after": "admin", "by": "oidc"}
    assert [row for row in noted(sql) if row[1] == "person.role"] == [("Ada", "person.role", changed)]
    assert client.get("/people").status_code == 200


def test_nobody_gets_anothers_account_by_taking_their_name(
    client: FlaskClient, app: Flask, provider: Provider, sql: psycopg.Connection
) -> None:
    signed_in(app)
    sign_in(client)
    for subject, name in (("u-2", "ADA"), ("u-3", USER), ("u-4", USER.upper())):
        provider.claims |= {"sub": subject, "preferred_username": name}
        sign_in(app.test_client())
    assert people(sql) == [
        (USER, "admin", None),
        ("Ada", "viewer", "u-1"),
        ("ADA (u-2)", "viewer", "u-2"),
        (f"{USER} (u-3)", "viewer", "u-3"),
        (f"{USER.upper()} (u-4)", "viewer", "u-4"),
    ]


def test_nor_by_the_settings_password(client: FlaskClient, app: Flask) -> None:
    sign_in(client)
    answer = submit(app.test_client(), "/sign-in", user="Ada", password=PASSWORD)
    assert answer.status_code == 401


def test_who_was_disabled_here_stays_out(client: FlaskClient, app: Flask, sql: psycopg.Connection) -> None:
    sign_in(client)
    sql.execute("UPDATE people SET disabled_at = now()")
    assert client.get("/").status_code == 302
    answer = sign_in(app.test_client())
    assert (answer.status_code, "may not sign in any more" in answer.text) == (403, True)
    refused = {"name": "Ada", "by": "oidc", "attempts": 1}
    assert noted(sql)[-1] == ("unknown", "person.sign_in_refused", refused)


def test_there_is_no_password_to_change_here(app: Flask, client: FlaskClient, sql: psycopg.Connection) -> None:
    sign_in(client)
    admin = signed_in(app)
    assert "your password is kept there" in client.get("/you").text
    submit(admin, "/people/1/password")
    assert "signs in at the identity provider" in admin.get("/people/1").text
    assert sql.execute("SELECT password_hash FROM people WHERE id = 1").fetchone() == (None,)


def twisted(**changed: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda claims: {name: value for name, value in {**claims, **changed}.items() if value is not None}


@pytest.mark.parametrize(
    "twist",
    [
        twisted(nonce="another"),
        twisted(nonce=None),
        twisted(aud="another client"),
        twisted(aud=["another client"], azp=CLIENT_ID),
        twisted(aud=[CLIENT_ID, "another"], azp="another"),
        twisted(aud=None),
        twisted(iss="https://evil.example"),
        twisted(iss=None),
        twisted(exp=1_700_000_000),
        twisted(exp=None),
        twisted(iat=4_000_000_000),
        twisted(sub=None),
        twisted(sub=""),
        twisted(sub="x" * 256),
        twisted(sub=7),
    ],
)
def test_a_token_for_another_client_time_sign_in_or_nobody_is_refused(
    client: FlaskClient, provider: Provider, sql: psycopg.Connection, twist: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    provider.twist = twist

    answer = sign_in(client)

    assert answer.status_code == 401
    assert "did not let you in" in answer.text
    assert client.get("/").status_code == 302
    assert people(sql) == []


def by_another_key(provider: Provider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": provider.key.kid}, claims, new_key())


def by_the_public_key(provider: Provider, claims: dict[str, Any]) -> str:
    """As a shared secret, which everybody knows."""
    signed = unsigned("HS256", provider, claims)
    return f"{signed}.{part(hmac.digest(provider.key.as_pem(private=False), signed.encode(), 'sha256'))}"


def by_nobody(provider: Provider, claims: dict[str, Any]) -> str:
    return unsigned("none", provider, claims) + "."


def unsigned(algorithm: str, provider: Provider, claims: dict[str, Any]) -> str:
    header = {"alg": algorithm, "kid": provider.key.kid}
    return ".".join(part(json.dumps(each).encode()) for each in (header, claims))


@pytest.mark.parametrize("forge", [by_another_key, by_the_public_key, by_nobody])
def test_a_token_that_the_provider_did_not_sign_is_refused(
    client: FlaskClient, provider: Provider, forge: Callable[[Provider, dict[str, Any]], str]
) -> None:
    provider.forges = partial(forge, provider)
    assert sign_in(client).status_code == 401
    assert client.get("/").status_code == 302


def test_a_provider_may_change_its_key(client: FlaskClient, app: Flask, provider: Provider) -> None:
    assert sign_in(client).status_code == 303
    provider.key = new_key()
    assert sign_in(app.test_client()).status_code == 303


def test_a_code_of_another_browser_opens_nothing(client: FlaskClient, app: Flask) -> None:
    """Whoever sends somebody the end of their own sign-in does not get them to work under their name."""
    address = begin(app.test_client())
    assert come_back(client, address).status_code == 401
    begin(client)
    assert come_back(client, address).status_code == 401
    assert client.get("/").status_code == 302


def test_a_code_serves_once(client: FlaskClient) -> None:
    address = begin(client)
    assert come_back(client, address).status_code == 303
    submit(client, "/sign-out")
    assert come_back(client, address).status_code == 401
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?state=x", "?code=x&state=x", "?error=x&error_description=<b>no</b>"]
)
def test_coming_back_without_having_gone_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/sign-in/oidc/back{query}")
    assert answer.status_code == 401
    assert "<b>no</b>" not in answer.text
    assert "&lt;b&gt;" not in answer.text


def test_what_the_provider_refuses_is_said_in_our_words(client: FlaskClient, provider: Provider) -> None:
    provider.denies = True
    answer = sign_in(client)
    assert (answer.status_code, "did not let you in" in answer.text) == (401, True)


def test_a_provider_that_is_away_is_told_and_passwords_go_on(database: Database, provider: Provider) -> None:
    with running(Provider()) as gone:
        app = app_of(database, gone)
    client = app.test_client()
    answer = client.get("/sign-in/oidc")
    assert (answer.status_code, "cannot be reached" in answer.text) == (502, True)
    assert submit(client, "/sign-in", user=USER, password=PASSWORD).status_code == 303


def test_one_that_breaks_halfway_too(client: FlaskClient, provider: Provider) -> None:
    provider.is_broken = True
    assert sign_in(client).status_code in (401, 502)


def test_one_that_calls_itself_otherwise_is_not_believed(client: FlaskClient, provider: Provider) -> None:
    provider.issuer = "https://another.example"
    assert sign_in(client).status_code == 401


def test_a_slash_at_the_end_of_its_name_is_its_own(client: FlaskClient, provider: Provider) -> None:
    provider.issuer = f"{provider.address}/"
    assert sign_in(client).status_code == 303


def test_a_session_from_before_is_not_the_one_after(client: FlaskClient, sql: psycopg.Connection) -> None:
    submit(client, "/sign-in", user=USER, password=PASSWORD)
    before = client.get_cookie("retinue-local-session")
    sign_in(client)
    assert sql.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    assert before is not None
    client.set_cookie("retinue-local-session", before.decoded_value)
    assert client.get("/").status_code == 302


def test_without_a_provider_there_is_no_such_way(database: Database) -> None:
    client = manager_app(database).test_client()
    assert client.get("/sign-in/oidc").status_code == 404
    assert "identity provider" not in client.get("/sign-in").text
