"""A connection stays with the org that it was made for: records of two would mix."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from psycopg.types.json import Jsonb
from werkzeug.test import TestResponse

from infra.local.salesforce.control_client import NewApp
from infra.organizations import is_another, organization_of, with_organization
from infra.postgres.connect import Database
from infra.postgres.connections import open_connection
from infra.postgres.vault import Vault
from infra.principal import MemberRole
from infra.secrets import Keyring, generate_key
from infra.settings import load_settings
from retinue.connection import Connection
from retinue.errors import SettingsRefused
from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.salesforce.client.auth import Tokens
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import add_account
from tests.support.manager_server import manager_settings
from tests.support.org_pages import PAGES, org_pages
from tests.support.principals import enter, member
from tests.support.radicale_server import free_port
from tests.support.salesforce_customer import connected
from tests.support.salesforce_org import tokens_of
from tests.support.sandbox_org import APP, USER, SandboxOrg, sandbox_org

__all__ = ["bare_environment", "retinue", "retinue_database", "retinue_schema", "retinue_template"]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def orgs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SandboxOrg, SandboxOrg]]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as one, sandbox_org(tmp_path_factory.mktemp("other")) as other:
        for org in (one, other):
            org.control.set_app(PAGES)
        yield one, other


@pytest.fixture(scope="module")
def org(orgs: tuple[SandboxOrg, SandboxOrg]) -> SandboxOrg:
    return orgs[0]


@pytest.fixture(scope="module")
def other(orgs: tuple[SandboxOrg, SandboxOrg]) -> SandboxOrg:
    return orgs[1]


def id_of(org: SandboxOrg) -> str:
    (row,) = org.query("SELECT Id FROM Organization")
    return str(row["Id"])


def lead_to(sql: psycopg.Connection, connection_id: int, org: SandboxOrg, **config: Any) -> None:
    """As at login.salesforce.com, where people of all orgs sign in; None takes a setting away."""
    given = {"login_url": org.url, **config}
    query = "UPDATE connections SET config = jsonb_strip_nulls(config || %s) WHERE id = %s"
    sql.execute(query, (Jsonb(given), connection_id))


def config_of(sql: psycopg.Connection, connection_id: int) -> dict[str, Any]:
    row = sql.execute("SELECT config FROM connections WHERE id = %s", (connection_id,)).fetchone()
    assert row is not None
    return dict(row[0])


def test_each_org_names_itself_as_salesforce_does(org: SandboxOrg, other: SandboxOrg) -> None:
    assert id_of(org) != id_of(other)
    for one in (org, other):
        granted = one.control.authorize(APP.client_id, USER.username)
        form = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"], "client_id": APP.client_id}
        form["client_secret"] = APP.client_secret or ""
        answer = requests.post(f"{one.url}/services/oauth2/token", data=form, timeout=30).json()
        assert answer["id"].split("/")[-3:-1] == ["id", id_of(one)]
        with one.session() as client:
            assert client.get(answer["id"], timeout=30).json()["organization_id"] == id_of(one)


@pytest.mark.parametrize(
    ("kept", "told", "differs"),
    [
        ("00D5e0000000001EAA", "00D5e0000000001EAA", False),
        ("00D5e0000000001EAA", "00D5e0000000001", False),
        ("00D5e0000000001EAA", "00D5e000000000AEAA", True),
        ("00D5e000000000a", "00D5e000000000A", True),
        ("", "00D5e0000000001EAA", False),
        ("00D5e0000000001EAA", "", False),
    ],
)
def test_when_two_are_another(kept: str, told: str, *, differs: bool) -> None:
    assert is_another(kept, told) is differs


def test_settings_that_are_none_name_no_org() -> None:
    assert organization_of(None, [], {"organization_id": 7}, {"organization_id": "00D"}) == "00D"
    assert organization_of({}, "organization_id") == ""
    assert with_organization({"a": 1}, {}) == {"a": 1}


# On an account's own page


@pytest.fixture
def key() -> str:
    return generate_key().render()


@pytest.fixture
def app(database: Database, sql: psycopg.Connection, key: str, org: SandboxOrg) -> Iterator[Flask]:
    with org_pages(database, sql, org, key=key) as made:
        yield made


@pytest.fixture
def ada(app: Flask, sql: psycopg.Connection) -> FlaskClient:
    return enter(app.test_client(), member(sql, add_account(sql, "Kestrel"), MemberRole.ADMIN))


def sign_in(client: FlaskClient, begin: str) -> TestResponse:
    """To Salesforce's page, and back."""
    there = client.get(begin).headers["Location"]
    answer = {"username": USER.username, "password": USER.password, "allow": "yes"}
    said = requests.post(there, data=answer, timeout=30, allow_redirects=False)
    return client.get(said.headers["Location"])


@pytest.fixture
def connection_id(ada: FlaskClient, sql: psycopg.Connection) -> int:
    sign_in(ada, "/account/connect/salesforce")
    ((found,),) = sql.execute("SELECT id FROM connections").fetchall()
    return int(found)


def opened(sql: psycopg.Connection, key: str, connection_id: int) -> Connection:
    return open_connection(sql, Keyring.from_settings(manager_settings(secret_key=key)), connection_id)


def test_the_page_keeps_which_org_it_is(connection_id: int, sql: psycopg.Connection, org: SandboxOrg) -> None:
    assert config_of(sql, connection_id)["organization_id"] == id_of(org)


def test_the_page_refuses_another_org_and_changes_nothing(
    ada: FlaskClient,
    sql: psycopg.Connection,
    key: str,
    connection_id: int,
    org: SandboxOrg,
    other: SandboxOrg,
) -> None:
    lead_to(sql, connection_id, other)
    before, actions = opened(sql, key, connection_id), count_of_actions(sql)

    answer = sign_in(ada, f"/account/connections/{connection_id}/salesforce")

    assert answer.headers["Location"] == f"/account/connections/{connection_id}"
    page = ada.get(answer.headers["Location"]).text
    assert f"That sign-in is to the org {id_of(other)}" in page
    assert f"is to the org {id_of(org)}" in page
    after = opened(sql, key, connection_id)
    assert (after.config, after.credentials) == (before.config, before.credentials)
    assert count_of_actions(sql) == actions

    lead_to(sql, connection_id, org)
    answer = sign_in(ada, f"/account/connections/{connection_id}/salesforce")
    assert "You have signed in anew" in ada.get(answer.headers["Location"]).text
    assert opened(sql, key, connection_id).credentials != before.credentials
    assert config_of(sql, connection_id)["organization_id"] == id_of(org)


def count_of_actions(sql: psycopg.Connection) -> Any:
    return sql.execute("SELECT count(*) FROM operator_actions").fetchone()


# On the command line


@pytest.fixture
def added(retinue: CommandLine, tmp_path: Path, org: SandboxOrg) -> int:
    """A connection that has been used once."""
    retinue.say("accounts", "add", "Ada")
    add = ("connections", "add", "salesforce", "--account", "Ada", "--client-id", APP.client_id)
    made = retinue.json(*add, "--login-url", org.url, "--tokens", tokens_file(tmp_path, tokens_of(org)))
    identity: int = made["connection_id"]
    retinue.say("connections", "test", identity)
    return identity


def tokens_file(directory: Path, given: Mapping[str, str]) -> Path:
    file = directory / "tokens.json"
    file.write_text(json.dumps(given))
    return file


def kept(sql: psycopg.Connection, connection_id: int) -> tuple[Any, Any]:
    found = open_connection(sql, Keyring.from_settings(load_settings(env_file=None)), connection_id)
    return found.config, found.credentials


def test_the_command_line_refuses_tokens_of_another_org(
    retinue: CommandLine, sql: psycopg.Connection, tmp_path: Path, added: int, org: SandboxOrg, other: SandboxOrg
) -> None:
    lead_to(sql, added, other)
    before = kept(sql, added)
    file = tokens_file(tmp_path, tokens_of(other))

    said = retinue.refusal("connections", "sign-in", added, "--tokens", file, exit_code=1)

    assert f"That sign-in is to the org {id_of(other)}" in said
    assert f"is to the org {id_of(org)}" in said
    assert kept(sql, added) == before
    lead_to(sql, added, org)
    told = retinue.json("connections", "sign-in", added, "--tokens", tokens_file(tmp_path, tokens_of(org)))
    assert told["ok"]
    assert config_of(sql, added)["organization_id"] == id_of(org)


def test_the_command_line_refuses_a_browser_that_comes_from_another_org(
    retinue: CommandLine,
    sql: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    added: int,
    org: SandboxOrg,
    other: SandboxOrg,
) -> None:
    def browse(url: str, **_options: Any) -> int:
        answer = {"username": USER.username, "password": USER.password, "allow": "yes"}
        said = requests.post(url, data=answer, timeout=30, allow_redirects=False)
        back = said.headers["Location"].replace("localhost", "127.0.0.1")
        threading.Thread(target=requests.get, args=(back,), kwargs={"timeout": 30}).start()
        return 0

    port = free_port()
    app = NewApp("3MVG9browser", "Retinue", callback_url=f"http://localhost:{port}/callback")
    other.control.set_app(app)
    monkeypatch.setattr(click, "launch", browse)
    lead_to(sql, added, other, client_id=app.client_id)
    before = kept(sql, added)
    said = retinue.run("connections", "sign-in", added, "--port", port)
    assert (said.exit_code, f"is to the org {id_of(org)}" in said.stderr) == (1, True)
    assert kept(sql, added) == before


def test_tokens_that_are_no_good_replace_none(
    retinue: CommandLine, sql: psycopg.Connection, tmp_path: Path, added: int
) -> None:
    before = kept(sql, added)
    file = tokens_file(tmp_path, {"refresh_token": "no token", "client_secret": APP.client_secret or ""})
    said = retinue.refusal("connections", "sign-in", added, "--tokens", file, exit_code=1)
    assert "Nothing was changed." in said
    assert kept(sql, added) == before


def test_a_connection_that_nothing_is_known_of_keeps_the_next_org(
    retinue: CommandLine, sql: psycopg.Connection, tmp_path: Path, added: int, other: SandboxOrg
) -> None:
    keyring, url = Keyring.from_settings(load_settings(env_file=None)), load_settings(env_file=None).database_url
    Vault(url, keyring).renew(added, lambda _stored: {"refresh_token": "from before"})
    lead_to(sql, added, other)
    retinue.json("connections", "sign-in", added, "--tokens", tokens_file(tmp_path, tokens_of(other)))
    assert organization_of(*kept(sql, added)) == id_of(other)


# Where servants renew


def test_a_renewal_that_leads_to_another_org_is_refused_and_its_rotated_token_kept(
    retinue: CommandLine, sql: psycopg.Connection, tmp_path: Path, added: int, other: SandboxOrg
) -> None:
    keyring, url = Keyring.from_settings(load_settings(env_file=None)), load_settings(env_file=None).database_url
    organization = organization_of(*kept(sql, added))
    stray = {**tokens_of(other), "organization_id": organization}
    Vault(url, keyring).renew(added, lambda _stored: stray)
    lead_to(sql, added, other)
    connection = replace(open_connection(sql, keyring, added), keeper=Vault(url, keyring))
    with pytest.raises(SettingsRefused, match=f"into the org {id_of(other)}, and .* the org {organization}"):
        Tokens(connection).token()
    _, credentials = kept(sql, added)
    assert credentials["organization_id"] == organization
    assert "access_token" not in credentials
    assert credentials["refresh_token"] != stray["refresh_token"], "the one that was used is withdrawn"


def test_a_sync_keeps_the_org_and_reads_nothing_of_another(
    retinue_database: RetinueDatabase, org: SandboxOrg, other: SandboxOrg
) -> None:
    customer = connected(retinue_database, org)
    sql, tokens = retinue_database.sql, tokens_of(org)
    Vault(retinue_database.url, retinue_database.keyring).renew(customer.connection_id, lambda _stored: tokens)
    customer.select("Account")
    org.control.seed("Account", 3)
    customer.onboard()
    customer.sync()
    assert config_of(sql, customer.connection_id)["organization_id"] == id_of(org)

    records = "SELECT external_id, payload, version FROM records ORDER BY external_id"
    before = sql.execute(records).fetchall()
    assert len(before) == 3
    other.control.seed("Account", 5)
    stray = tokens_of(other)
    Vault(retinue_database.url, retinue_database.keyring).renew(customer.connection_id, lambda _stored: stray)
    lead_to(sql, customer.connection_id, other)
    ran = customer.sync()
    assert isinstance(ran.raised, SettingsRefused)
    incidents = "SELECT kind, reason FROM incidents WHERE resolved_at IS NULL"
    ((kind, reason),) = sql.execute(incidents).fetchall()
    assert (kind, id_of(other) in reason) == ("settings", True)
    assert sql.execute(records).fetchall() == before
