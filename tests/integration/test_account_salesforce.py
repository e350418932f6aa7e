"""How an admin of an account connects an org: from their page to Salesforce's own, and back."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from infra.postgres.connect import Database
from infra.postgres.connections import open_connection
from infra.principal import MemberRole
from infra.secrets import Keyring, generate_key
from retinue.connection import Connection
from servants.salesforce.probe import probe
from tests.support.factories import add_account
from tests.support.manager_server import manager_app, manager_settings
from tests.support.org_pages import BACK, PAGES, org_pages
from tests.support.principals import enter, member
from tests.support.sandbox_org import USER, SandboxOrg, sandbox_org

PARKED = "UPDATE connections SET state = 'broken', state_reason = 'Salesforce refuses the refresh token.' WHERE id = %s"


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        running.control.set_app(PAGES)
        yield running


@pytest.fixture
def key() -> str:
    return generate_key().render()


@pytest.fixture
def app(database: Database, sql: psycopg.Connection, key: str, org: SandboxOrg) -> Iterator[Flask]:
    with org_pages(database, sql, org, key=key) as made:
        yield made


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql, "Kestrel")


def browser(app: Flask, sql: psycopg.Connection, account: int, role: MemberRole = MemberRole.ADMIN) -> FlaskClient:
    return enter(app.test_client(), member(sql, account, role))


@pytest.fixture
def ada(app: Flask, sql: psycopg.Connection, account: int) -> FlaskClient:
    """The browser of an admin of the account."""
    return browser(app, sql, account)


def sign_in_there(sent: TestResponse, **form: str) -> str:
    """Fill in Salesforce's page; where the browser is sent back to."""
    answer = {"username": USER.username, "password": USER.password, "allow": "yes", **form}
    said = requests.post(sent.headers["Location"], data=answer, timeout=30, allow_redirects=False)
    assert said.status_code == 302, said.text
    assert said.headers["Location"].startswith(BACK)
    return said.headers["Location"]


def connect(client: FlaskClient, begin: str = "/account/connect/salesforce") -> TestResponse:
    return client.get(sign_in_there(client.get(begin)))


def connections(sql: psycopg.Connection) -> list[tuple[int, int, str, str]]:
    return sql.execute("SELECT id, account_id, provider, state::text FROM connections ORDER BY id").fetchall()


def opened(sql: psycopg.Connection, key: str, connection_id: int) -> Connection:
    return open_connection(sql, Keyring.from_settings(manager_settings(secret_key=key)), connection_id)


def test_an_org_is_connected_by_signing_in_there(
    ada: FlaskClient, sql: psycopg.Connection, account: int, key: str, org: SandboxOrg
) -> None:
    assert "/account/connect/salesforce" in ada.get("/account/connect").text
    sent = ada.get("/account/connect/salesforce")
    assert sent.headers["Location"].startswith(f"{org.url}/services/oauth2/authorize?")
    assert "code_challenge" in parse_qs(urlsplit(sent.headers["Location"]).query)

    shown = ada.get(ada.get(sign_in_there(sent)).headers["Location"])

    assert "is connected. The first reading begins at once." in shown.text
    ((connection_id, owner, provider, state),) = connections(sql)
    assert (owner, provider, state) == (account, "salesforce", "active")
    assert probe(opened(sql, key, connection_id)).ok
    due = "SELECT count(*) FROM schedules WHERE account_id = %s AND next_fire_at <= now()"
    assert sql.execute(due, (account,)).fetchone() == (3,)
    noted = "SELECT action, target_id, detail FROM operator_actions WHERE actor_kind = 'member'"
    assert sql.execute(noted).fetchall() == [("connection.add", str(connection_id), {"provider": "salesforce"})]


def test_signing_in_anew_mends_the_connection(
    ada: FlaskClient, sql: psycopg.Connection, key: str, org: SandboxOrg
) -> None:
    connect(ada)
    ((connection_id, *_),) = connections(sql)
    org.control.revoke(USER.username)
    assert not probe(opened(sql, key, connection_id)).ok
    sql.execute("UPDATE connections SET state = 'broken', problem = 'refused' WHERE id = %s", (connection_id,))
    begin = f"/account/connections/{connection_id}/salesforce"
    assert begin in ada.get(f"/account/connections/{connection_id}").text

    answer = connect(ada, begin)

    assert answer.headers["Location"] == f"/account/connections/{connection_id}"
    assert "You have signed in anew" in ada.get(answer.headers["Location"]).text
    assert len(connections(sql)) == 1
    assert probe(opened(sql, key, connection_id)).ok


def test_who_refuses_there_is_told_here(ada: FlaskClient, sql: psycopg.Connection) -> None:
    back = sign_in_there(ada.get("/account/connect/salesforce"), allow="no")
    answer = ada.get(back)
    assert answer.headers["Location"] == "/account/connect"
    assert "Salesforce did not let Retinue in" in ada.get("/account/connect").text
    assert connections(sql) == []


def test_what_comes_back_counts_once_and_for_this_browser_and_account(
    app: Flask, ada: FlaskClient, sql: psycopg.Connection, account: int
) -> None:
    back = sign_in_there(ada.get("/account/connect/salesforce"))
    # Somebody else's browser was led there: it would connect a stranger's org to their account.
    assert browser(app, sql, account).get(back).headers["Location"] == "/account/connect"
    enter(ada, member(sql, add_account(sql, "Marlowe"), MemberRole.ADMIN))
    assert ada.get(back).headers["Location"] == "/account/connect"
    assert ada.get(back).headers["Location"] == "/account/connect"
    assert connections(sql) == []


def test_an_answer_to_another_sign_in_is_refused(ada: FlaskClient, sql: psycopg.Connection) -> None:
    ada.get("/account/connect/salesforce")
    assert ada.get(f"{BACK}?code=x&state=another").headers["Location"] == "/account/connect"
    assert "What came back is not of this sign-in" in ada.get("/account/connect").text
    assert connections(sql) == []


def test_nobody_signs_in_for_a_connection_of_another_account(
    app: Flask, ada: FlaskClient, sql: psycopg.Connection
) -> None:
    connect(ada)
    ((connection_id, *_),) = connections(sql)
    other = browser(app, sql, add_account(sql, "Marlowe"))
    assert other.get(f"/account/connections/{connection_id}/salesforce").status_code == 404


def test_members_do_not_connect(app: Flask, sql: psycopg.Connection, account: int) -> None:
    client = browser(app, sql, account, MemberRole.MEMBER)
    assert client.get("/account/connect/salesforce").status_code == 403


def test_without_an_app_nothing_is_offered(database: Database, sql: psycopg.Connection, account: int) -> None:
    app = manager_app(database)
    client = browser(app, sql, account)
    assert "/account/connect/salesforce" not in client.get("/account/connect").text
    answer = client.get("/account/connect/salesforce")
    assert (answer.status_code, "ask whoever runs this installation" in answer.text) == (404, True)
    app.extensions["test_accounts"].close()


def test_only_the_real_login_offers_a_sandbox(database: Database, sql: psycopg.Connection, account: int) -> None:
    app = manager_app(database, salesforce_client_id="3MVG9pages")
    client = browser(app, sql, account)
    assert "sandbox=1" in client.get("/account/connect").text
    sent = client.get("/account/connect/salesforce?sandbox=1").headers["Location"]
    assert sent.startswith("https://test.salesforce.com/services/oauth2/authorize?")
    app.extensions["test_accounts"].close()
