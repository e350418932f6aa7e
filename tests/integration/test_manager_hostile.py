"""Texts that were made to do harm, other accounts' data, and requests that no form sends: nothing comes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg.types.json import Jsonb

from infra.postgres.anomaly_sightings import Sighting, sample_of, write_sightings
from infra.postgres.api_tokens import add_token
from infra.postgres.audit import Act, Actor, ActorKind, note
from infra.postgres.breakers import Attempt
from infra.postgres.connect import Database
from infra.postgres.incidents import open_incident
from infra.roles import Role
from scheduler.anomalies import Anomalies
from tests.support.manager_server import PASSWORD, USER, add_person, manager_app, signed_in, submit
from tests.support.overview_rows import add_account, add_finished, add_jobs, add_servant, add_type, current_job
from tests.support.routes import routes

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{6173*7919}}"

#: Files, the stream of an open page, and what tells machines whether all is well, which it is not in these tests.
NO_PAGES = {"static", "assets.file", "live.stream", "health.readiness"}


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def victim(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
def hostile_rows(sql: psycopg.Connection, database: Database) -> dict[str, object]:
    """Rows whose every text is an attack; the values that lead to them."""
    account = add_account(sql, HOSTILE)
    add_type(sql, "a.sync")
    error = Jsonb({"type": HOSTILE, "message": HOSTILE, "fingerprint": "f", "details": {HOSTILE: HOSTILE}})
    add_jobs(sql, "a.sync", "pending", 2)
    sql.execute(
        "UPDATE jobs SET payload = %s, error = %s, lane = %s, account_id = %s",
        (Jsonb({HOSTILE: HOSTILE}), error, HOSTILE, account),
    )
    add_finished(sql, "a.sync", "failed", 3)
    servant = add_servant(sql, "a.sync", host=HOSTILE, jobs=[current_job(1, account=account)])
    connection = _one(
        sql,
        "INSERT INTO connections (account_id, provider, name, config, credentials, state, problem)"
        " VALUES (%s, 'caldav', %s, %s, 'x', 'broken', %s) RETURNING id",
        (account, HOSTILE, Jsonb({"url": HOSTILE}), HOSTILE),
    )
    open_incident(sql, connection, kind="credential", reason=HOSTILE, attempt=Attempt(1, 1))
    incident = _one(sql, "SELECT max(id) FROM incidents WHERE connection_id = %s", (connection,))
    sighting = sample_of({"reason": HOSTILE, HOSTILE: HOSTILE})
    write_sightings(sql, [Sighting("f", "g", "a.sync", HOSTILE, HOSTILE, account, connection, 1, sighting)])
    Anomalies(database).run_once()
    add_person(database, HOSTILE.replace(":", ""), Role.VIEWER)
    note(
        sql,
        Actor(ActorKind.COMMAND_LINE, None, HOSTILE),
        Act("job.retry", HOSTILE, HOSTILE, account, {HOSTILE: HOSTILE}),
    )
    return {
        "account_id": account,
        "servant_id": servant,
        "connection_id": connection,
        "incident_id": incident,
        "anomaly_id": _one(sql, "SELECT max(id) FROM anomalies", ()),
        "job_id": _one(sql, "SELECT max(id) FROM jobs", ()),
        "type": "a.sync",
        "job_type": "a.sync",
        "lane": HOSTILE,
        "person_id": 1,
    }


def _one(sql: psycopg.Connection, query: str, params: tuple[object, ...]) -> int:
    row = sql.execute(query.encode(), params).fetchone()
    assert row is not None
    return int(row[0])


def pages(app: Flask, values: dict[str, object]) -> Iterator[str]:
    """The address of every page that shows anything to people."""
    for route in routes(app):
        if route.method == "GET" and route.endpoint not in NO_PAGES:
            yield route.path(app, values)


def test_what_was_named_to_do_harm_is_shown_as_text_everywhere(
    app: Flask, victim: FlaskClient, hostile_rows: dict[str, object]
) -> None:
    shown = 0
    for address in pages(app, hostile_rows):
        answer = victim.get(address)
        assert answer.status_code < 500, address
        if answer.mimetype == "text/html":
            assert "<script>alert(1)" not in answer.text, address
            assert "<img src=x" not in answer.text, address
            assert "48883987" not in answer.text, address
            shown += "&lt;script&gt;alert(1)" in answer.text

    assert shown >= 4


def test_what_an_address_asks_for_is_never_shown_as_it_stands(
    app: Flask, victim: FlaskClient, hostile_rows: dict[str, object]
) -> None:
    names = (
        "q",
        "before",
        "after",
        "actor",
        "action",
        "target",
        "state",
        "type",
        "lane",
        "span",
        "next",
        "account",
        "since",
    )
    query = dict.fromkeys(names, HOSTILE)
    for address in pages(app, hostile_rows):
        answer = victim.get(address, query_string=query)
        assert answer.status_code < 500, address
        assert answer.mimetype != "text/html" or "<script>alert(1)" not in answer.text, address


def test_no_page_has_a_script_or_a_style_inside(
    app: Flask, victim: FlaskClient, hostile_rows: dict[str, object]
) -> None:
    """The policy would stop it: whatever a page needs comes in a file of ours."""
    for address in pages(app, hostile_rows):
        answer = victim.get(address)
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        if answer.mimetype != "text/html":
            continue
        assert not re.search(r"<script(?![^>]*\ssrc=)", answer.text), address
        # Within its quotes a value may say anything.
        tags = re.sub(r'="[^"]*"', '=""', answer.text)
        assert not re.search(r"<style|<[^>]+\sstyle=|<[^>]+\son\w+=", tags), address
        assert "javascript:" not in answer.text, address
        # A link may lead elsewhere; what a page is made of comes from here.
        assert not re.search(r"<(?!a\s)[^>]*\s(?:src|href)=\"(?:https?:)?//", answer.text), address


def test_nothing_that_opens_something_is_on_a_page_or_in_a_log(
    app: Flask, victim: FlaskClient, sql: psycopg.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    made = submit(victim, "/tokens", name="x", role="viewer", days="30").text
    found = re.search(r'id="secret">([^<]+)<', made)
    assert found
    app.test_client().get("/metrics", headers={"Authorization": f"Bearer {found[1]}"})
    submit(app.test_client(), "/sign-in", user=USER, password="a secret guess")

    told = "".join(victim.get(address).text for address in ("/tokens", "/audit", "/people", "/you"))
    logged = "".join(capfd.readouterr())
    session = victim.get_cookie("retinue-local-session")
    assert session is not None
    for secret in (found[1], PASSWORD, "a secret guess", session.decoded_value):
        assert secret not in told
        assert secret not in logged


# Looking into another account


def test_a_token_of_one_account_learns_nothing_of_another(
    app: Flask, database: Database, sql: psycopg.Connection, hostile_rows: dict[str, object]
) -> None:
    own = add_account(sql, "Northwind")
    with database.transaction() as connection:
        _, secret = add_token(connection, "theirs", Role.OPERATOR, created_by="a test", account_id=own)
    client = app.test_client()
    bearer = {"Authorization": f"Bearer {secret}"}

    answered = 0
    for route in routes(app):
        if not route.for_programs or route.declared == "public":
            continue
        answer = client.open(route.path(app, hostile_rows), method=route.method, headers=bearer)
        assert "alert(1)" not in answer.text, str(route)
        assert answer.status_code < 500, str(route)
        answered += answer.status_code == 200
    # What it may ask for without naming an account is answered, with its own.
    assert answered > 0
    did = sql.execute("SELECT DISTINCT action FROM operator_actions WHERE actor_kind = 'token'").fetchall()
    assert did == [("act.refused",)]


# The way a request is written


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 10**40])
def test_a_number_of_any_size_leads_to_a_page_or_to_none(app: Flask, victim: FlaskClient, number: int) -> None:
    for route in routes(app):
        if route.method != "GET" or "<int:" not in route.rule.rule:
            continue
        address = re.sub(r"<int:\w+>", str(number), route.rule.rule)
        address = re.sub(r"<[^>]+>", "x", address)
        assert victim.get(address).status_code in (200, 302, 303, 400, 404, 409, 422), address


def test_a_nul_is_refused_wherever_it_stands(app: Flask, victim: FlaskClient) -> None:
    assert submit(app.test_client(), "/sign-in", user="a\0b", password=PASSWORD).status_code == 400
    assert submit(victim, "/people", name="a\0b", role="viewer").status_code == 400
    for address in ("/api/v1/jobs", "/metrics"):
        assert app.test_client().get(address, auth=("a\0b", PASSWORD)).status_code == 400, address
    for address in pages(app, {}):
        assert victim.get(address, query_string={"q": "a\0b"}).status_code == 400, address
    for route in routes(app):
        if route.method == "GET" and re.search(r"<(?!int:)", route.rule.rule):
            address = re.sub(r"<[^>]+>", "1%00", re.sub(r"<int:\w+>", "1", route.rule.rule))
            assert victim.get(address).status_code in (400, 404), address


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/audit?until=9999-12-31", 400),
        ("/audit?since=0001-01-01", 400),
        ("/api/v1/jobs?q=id:" + "0" * 19 + "9" * 20, 422),
        ("/api/v1/jobs?after=made-up", 422),
        ("/api/v1", 404),
    ],
)
def test_what_nothing_can_be_is_refused_where_it_stands(
    sql: psycopg.Connection, app: Flask, path: str, status: int
) -> None:
    _, secret = add_token(sql, "t", Role.VIEWER, created_by="tests")
    client = signed_in(app)
    headers = {"Authorization": f"Bearer {secret}"} if path.startswith("/api") else {}
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert not path.startswith("/api") or answer.mimetype == "application/problem+json"


def test_a_reserve_of_hundreds_of_digits_is_refused(victim: FlaskClient, hostile_rows: dict[str, object]) -> None:
    connection = hostile_rows["connection_id"]
    answer = submit(victim, f"/connections/{connection}/budget", reserve_percent="9" * 400)
    assert answer.status_code == 400


def test_a_long_refusal_is_told_in_short(victim: FlaskClient, hostile_rows: dict[str, object]) -> None:
    answer = submit(victim, "/lanes/set", type="a.sync", lane="x", weight="w" * 8_000)
    assert answer.status_code == 303
    assert f"{'w' * 100}" in victim.get("/lanes").text


@pytest.mark.parametrize("host", ["evil.example", "localhost@evil.example", "evil.example:8600"])
def test_a_made_up_host_leads_nowhere(app: Flask, host: str) -> None:
    answer = app.test_client().get("/", headers={"Host": host})

    assert answer.headers.get("Location", "/").startswith("/")


@pytest.mark.parametrize(
    "path",
    ["/people/", "//people", "/./people", "/people%2f", "/%70eople", "/people;x", "/PEOPLE", "/static/../people"],
)
def test_a_path_written_otherwise_is_guarded_too(app: Flask, path: str) -> None:
    viewer = signed_in(app, Role.VIEWER)

    assert viewer.get(path).status_code in (301, 302, 308, 403, 404)
    assert app.test_client().get(path).status_code in (301, 302, 308, 404)
