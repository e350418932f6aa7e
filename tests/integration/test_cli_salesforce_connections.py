"""`retinue connections`, for orgs of Salesforce: added by key, tokens and browser; tested; signed in to anew."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import click
import psycopg
import pytest
import requests

from infra.postgres.budgets import declare_budgets, learn, show_budgets
from infra.postgres.connections import open_connection
from infra.secrets import Keyring
from infra.settings import load_settings
from retinue.limits import DAY, Observation
from retinue.outcomes import Park
from servants.salesforce.client.web_flow import WebFlow
from servants.salesforce.provider import SALESFORCE
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import add_servant, run_jobs, settle_one
from tests.support.salesforce_org import key_pair
from tests.support.salesforce_server import CLIENT_ID, USERNAME, Answer, SalesforceServer, salesforce_server

__all__ = ["bare_environment", "retinue"]

ADD = ("connections", "add", "salesforce", "--account", "Ada", "--client-id", CLIENT_ID)
OBJECT = {"label": "", "keyPrefix": "001", "custom": False, "queryable": True, "replicateable": True}


@pytest.fixture
def org() -> Iterator[SalesforceServer]:
    with salesforce_server() as server:
        names = ["Account", "Contact", "Lead", "Opportunity", "Task", "Event"]
        server.script("GET .*/sobjects", Answer(200, {"sobjects": [OBJECT | {"name": name} for name in names]}))
        server.script(
            "GET .*/userinfo", Answer(200, {"user_id": "005", "organization_id": "00D", "preferred_username": USERNAME})
        )
        server.script("GET .*/limits", Answer(200, {"DailyApiRequests": {"Max": 15000, "Remaining": 14000}}))
        yield server


@pytest.fixture(autouse=True)
def account(retinue: CommandLine) -> None:
    retinue.say("accounts", "add", "Ada")


def tokens_file(tmp_path: Path, given: Any) -> Path:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps(given))
    return file


def credentials(sql: psycopg.Connection, connection_id: int) -> dict[str, str]:
    keyring = Keyring.from_settings(load_settings(env_file=None))
    return dict(open_connection(sql, keyring, connection_id).credentials)


def add(retinue: CommandLine, org: SalesforceServer, tmp_path: Path, *more: object) -> int:
    file = tokens_file(tmp_path, org.credentials())
    made = retinue.json(*ADD, "--login-url", org.url, "--tokens", file, *more)
    identity: int = made["connection_id"]
    return identity


def test_one_command_makes_an_org_that_is_synced_and_compared(
    retinue: CommandLine, sql: psycopg.Connection, tmp_path: Path
) -> None:
    file = tokens_file(tmp_path, {"refresh_token": "RT", "note": "left out"})
    made = retinue.json(*ADD, "--tokens", file, "--every", "5m", "--username", USERNAME)
    (line,) = retinue.json("connections", "list")["connections"]
    assert (line["provider"], line["name"]) == ("salesforce", USERNAME)
    assert line["config"] == {"client_id": CLIENT_ID, "username": USERNAME}
    assert credentials(sql, made["connection_id"]) == {"refresh_token": "RT"}
    schedules = {line["type"]: line["every_seconds"] for line in retinue.json("schedules", "list")["schedules"]}
    assert schedules == {"salesforce.sync": 300, "salesforce.reconcile": 3600, "salesforce.formulas": 21_600}
    assert show_budgets(sql, made["connection_id"]) == []


def test_a_share_of_the_day_is_kept_whatever_the_day_is(
    retinue: CommandLine, org: SalesforceServer, sql: psycopg.Connection, tmp_path: Path
) -> None:
    connection_id = add(retinue, org, tmp_path, "--quota-share", "0.8")
    day, places = show_budgets(sql, connection_id)
    assert (day.learned_limit, places.call_limit) == (1_000, 5)
    assert day.reserve == pytest.approx(0.2)
    assert day.call_limit > 10_000_000


def test_a_reserve_set_later_leaves_the_limit_to_what_is_learned(
    retinue: CommandLine, org: SalesforceServer, sql: psycopg.Connection, tmp_path: Path
) -> None:
    connection_id = add(retinue, org, tmp_path)
    declare_budgets(sql, connection_id, SALESFORCE.budget, source="declared")
    learn(sql, connection_id, [Observation(limit=120_000, remaining=119_000, window_seconds=DAY)], reason="an answer")
    retinue.say("connections", "budget", connection_id, "--reserve", "0.2")
    day = show_budgets(sql, connection_id)[0]
    assert (day.learned_limit, day.source) == (120_000, "set")
    assert day.call_limit > 120_000
    assert day.reserve == pytest.approx(0.2)


def test_a_key_signs_in_and_is_told_so(
    retinue: CommandLine, org: SalesforceServer, sql: psycopg.Connection, tmp_path: Path
) -> None:
    keys = key_pair()
    org.public_key = keys.public
    file = tmp_path / "key.pem"
    file.write_text(keys.private)
    made = retinue.json(*ADD, "--login-url", org.url, "--private-key", file, "--username", USERNAME)
    said = retinue.say("connections", "test", made["connection_id"])
    assert f"The org lets {USERNAME} in, by version 62.0" in said
    assert "6 objects can be queried. NOT READABLE for this user: User." in said
    assert "1,000 of 15,000 API calls of the last 24 hours are used" in said
    assert "PRIVATE" not in said
    assert set(credentials(sql, made["connection_id"])) == {"private_key", "access_token", "instance_url"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tokens", "-", "--login-url", "http://login.salesforce.com"], "begins with https://"),
        (["--tokens", "-", "--sandbox", "--login-url", "https://acme.my.salesforce.com"], "not both"),
        (["--tokens", "-", "--api-version", "latest"], "write it as 62.0"),
        (["--tokens", "-", "--quota-share", "0"], "is not in the range"),
        (["--tokens", "/nowhere.json"], "No such file"),
    ],
)
def test_bad_input_makes_nothing(retinue: CommandLine, arguments: list[str], words: str) -> None:
    said = retinue.refusal(*ADD, *arguments, exit_code=2, stdin='{"refresh_token": "hunter2"}')
    assert words in said
    assert "hunter2" not in said
    assert retinue.json("connections", "list") == {"connections": []}


@pytest.mark.parametrize("given", ["hunter2", '["hunter2"]', "{}", '{"refresh_token": {"hunter2": 1}}'])
def test_tokens_that_are_none_are_not_repeated(retinue: CommandLine, given: str) -> None:
    said = retinue.refusal(*ADD, "--tokens", "-", exit_code=2, stdin=given)
    assert "hunter2" not in said


class Browser:
    """Signs in where it is sent to, and goes where it is sent back to, as a person does."""

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers
        self.asked: dict[str, str] = {}
        self.pages: list[str] = []

    def launch(self, url: str, **_options: Any) -> int:
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        threading.Thread(target=self._return).start()
        return 0

    def _return(self) -> None:
        back = self.asked["redirect_uri"].replace("localhost", "127.0.0.1")
        requests.get(back.replace("/callback", "/favicon.ico"), timeout=20)
        query = {"state": self.asked["state"]} | self._answers
        self.pages.append(requests.get(f"{back}?{urlencode(query)}", timeout=20).text)


def through(browser: Browser, monkeypatch: pytest.MonkeyPatch, free_port: int) -> tuple[str, ...]:
    monkeypatch.setattr(click, "launch", browser.launch)
    return ("--port", str(free_port))


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_a_person_signs_in_by_a_browser(
    retinue: CommandLine,
    org: SalesforceServer,
    sql: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    free_port: int,
) -> None:
    granted = org.credentials()
    org.token_refusal = Answer(200, granted)
    browser = Browser({"code": "the-code"})
    port = through(browser, monkeypatch, free_port)

    said = retinue.run(*ADD, "--login-url", org.url, *port, "--client-secret-stdin", stdin="the-secret\n")

    assert said.exit_code == 0, said.output
    assert credentials(sql, 1) == granted | {"client_secret": "the-secret"}
    (form,) = org.grants
    assert (form["grant_type"], form["code"], form["client_secret"]) == ("authorization_code", "the-code", "the-secret")
    assert form["redirect_uri"] == browser.asked["redirect_uri"] == f"http://localhost:{free_port}/callback"
    assert browser.asked["code_challenge"] == challenge(form["code_verifier"])
    assert not [secret for secret in (*granted.values(), "the-secret") if secret in said.output and secret != org.url]


def challenge(verifier: str) -> str:
    """RFC 7636 §4.2."""
    import base64
    import hashlib

    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"error": "access_denied", "error_description": "end-user denied"}, "the person refused"),
        ({"code": "the-code", "state": "another"}, "not of this sign-in"),
        ({"code": ""}, "the person refused"),
    ],
)
def test_a_person_who_does_not(
    retinue: CommandLine,
    org: SalesforceServer,
    monkeypatch: pytest.MonkeyPatch,
    free_port: int,
    answers: dict[str, str],
    words: str,
) -> None:
    port = through(Browser(answers), monkeypatch, free_port)
    said = retinue.run(*ADD, "--login-url", org.url, *port)
    assert said.exit_code == 1
    assert words in said.stderr
    assert org.grants == []
    assert retinue.json("connections", "list") == {"connections": []}


def test_an_app_without_refresh_tokens_is_told(org: SalesforceServer) -> None:
    from retinue.errors import PermanentError

    org.token_refusal = Answer(200, {"access_token": "x", "instance_url": org.url})
    flow = WebFlow.begin(org.url, CLIENT_ID, "http://localhost:1/callback")
    with pytest.raises(PermanentError, match="add the scope refresh_token"):
        flow.finish({"state": flow.state, "code": "c"})
    assert flow.state not in repr(flow)


def test_signing_in_anew_resumes_what_was_parked(
    retinue: CommandLine, org: SalesforceServer, sql: psycopg.Connection, tmp_path: Path
) -> None:
    connection_id = add(retinue, org, tmp_path)
    add_servant(sql, "salesforce.sync")
    (held,) = run_jobs(sql, job_type="salesforce.sync", lane=f"connection_id:{connection_id}")
    settle_one(sql, held, Park("the app was removed", "AppRemoved", "credential"))
    org.end_sessions()

    file = tokens_file(tmp_path, org.credentials())
    told = retinue.json("connections", "sign-in", connection_id, "--tokens", file)

    assert told["ok"]
    assert told["resumed"] == ["salesforce.sync"]


def test_a_sign_in_that_is_no_good_says_why(retinue: CommandLine, org: SalesforceServer, tmp_path: Path) -> None:
    connection_id = add(retinue, org, tmp_path)
    org.end_sessions()
    org.token_refusal = Answer(
        400, {"error": "app_not_found", "error_description": "External client app is not installed"}
    )
    said = retinue.run("connections", "test", connection_id)
    assert said.exit_code == 1
    assert "failed  sign-in" in said.stdout
    assert "the app was removed from the customer's org" in said.stdout


def test_an_org_takes_no_password(retinue: CommandLine, org: SalesforceServer, tmp_path: Path) -> None:
    connection_id = add(retinue, org, tmp_path)
    said = retinue.refusal("connections", "password", connection_id, "--password-stdin", exit_code=2, stdin="hunter2\n")
    assert "`retinue connections sign-in` signs in anew" in said


def test_other_connections_are_signed_in_to_otherwise(retinue: CommandLine, tmp_path: Path) -> None:
    retinue.say(
        "connections", "add", "imap", "--account", "Ada", "--host", "mail.example", "--username", "ada",
        "--password-stdin", stdin="hunter2\n",
    )  # fmt: skip
    file = tokens_file(tmp_path, {"refresh_token": "RT"})
    said = retinue.refusal("connections", "sign-in", "1", "--tokens", file, exit_code=2)
    assert "is for 'imap'" in said
