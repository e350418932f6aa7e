"""What every answer has, and what is said when something is wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.logs import configure_logs
from infra.postgres.connect import Database, DatabaseUnreachable
from manager.headers import CONTENT_SECURITY_POLICY
from tests.support.manager_server import AwayDatabase, manager_app, signed_in, submit

SECRET = "database at db.internal:5432 refused user retinue"


@pytest.fixture
def away(database: Database) -> AwayDatabase:
    """There while somebody signs in, then gone."""
    return AwayDatabase(None, database)


@pytest.fixture
def app(away: AwayDatabase) -> Flask:
    return manager_app(away)


@pytest.fixture
def client(app: Flask, away: AwayDatabase) -> FlaskClient:
    client = signed_in(app)
    away.error = DatabaseUnreachable(SECRET)
    return client


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log, as JSON."""
    stream = io.StringIO()
    configure_logs("json", "debug", stream=stream)
    yield stream
    configure_logs("console", "info")


def logged(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DatabaseUnreachable(SECRET), "The database cannot be reached at the moment."),
        (psycopg.OperationalError(SECRET), "The database cannot be reached at the moment."),
        (psycopg.InterfaceError("the connection is closed"), "The database cannot be reached at the moment."),
        (psycopg.errors.QueryCanceled("statement timeout"), "The database did not answer in time."),
        (psycopg.errors.UndefinedTable("jobs"), "Run: retinue migrate"),
        (psycopg.errors.UndefinedObject("job_state"), "Run: retinue migrate"),
    ],
)
def test_without_a_database_the_page_says_so_in_a_sentence(
    away: AwayDatabase, client: FlaskClient, error: Exception, sentence: str
) -> None:
    away.error = error

    page, api = client.get("/"), client.get("/api/overview")

    assert (page.status_code, api.status_code) == (503, 503)
    assert sentence in page.text
    assert api.json is not None
    assert sentence in api.json["error"]["message"]
    assert api.json["error"]["code"] == "service_unavailable"
    assert SECRET not in page.text + api.text


def test_what_nobody_foresaw_is_logged_and_not_shown(
    away: AwayDatabase, client: FlaskClient, lines: io.StringIO
) -> None:
    away.error = RuntimeError("the ceiling fell down")

    answer = client.get("/", headers={"X-Request-ID": "abc-1"})

    assert answer.status_code == 500
    assert "abc-1" in answer.text
    assert "ceiling" not in answer.text
    [failure] = [line for line in logged(lines) if line["message"] == "request_failed"]
    assert failure["request"] == "abc-1"
    assert "the ceiling fell down" in str(failure["stack_trace"])


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/nowhere", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("/nowhere", "*/*", "text/html"),
        ("/nowhere", "", "text/html"),
        ("/nowhere", "application/json", "application/json"),
        ("/api/nowhere", "text/html", "application/json"),
    ],
)
def test_an_unknown_path_is_answered_in_the_kind_asked_for(app: Flask, path: str, accept: str, kind: str) -> None:
    answer = app.test_client().get(path, headers={"Accept": accept})

    assert (answer.status_code, answer.mimetype) == (404, kind)
    assert "There is no such page." in answer.text


def test_a_wrong_method_is_named(client: FlaskClient) -> None:
    answer = client.delete("/api/overview")

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_form_of_any_size_is_not_read(app: Flask) -> None:
    assert submit(app.test_client(), "/sign-in", user="x" * 20_000).status_code == 413


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/healthz", "/api/overview", "/static/css/base.css"])
def test_every_answer_is_hardened(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers

    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert ("no-store" in headers["Cache-Control"]) is not path.startswith("/static/")


def test_the_policy_lets_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("given", ["a", "job-7.retry_2", "0af7651916cd43dd8448eb211c80319c", "x" * 64])
def test_a_sane_request_id_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a b", "é", "<script>", "x" * 65, "-a", 'a"b'])
def test_any_other_is_replaced(client: FlaskClient, given: str) -> None:
    made = [client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in range(2)]

    assert given not in made
    assert made[0] != made[1]
    assert all(len(request_id) == 16 for request_id in made)


def test_each_request_is_logged_once_with_its_id(client: FlaskClient, lines: io.StringIO) -> None:
    client.get("/api/overview?token=of-no-concern", headers={"X-Request-ID": "r-1"})

    [line] = [line for line in logged(lines) if line["message"] == "request_served"]
    assert (line["request"], line["method"], line["path"], line["status"]) == ("r-1", "GET", "/api/overview", 503)
    assert line["client"] == "127.0.0.1"
    assert isinstance(line["seconds"], float)
    # What was logged meanwhile carries the same.
    assert {line["request"] for line in logged(lines)} == {"r-1"}


def test_what_machines_ask_all_the_time_is_logged_only_for_debugging(client: FlaskClient, lines: io.StringIO) -> None:
    client.get("/healthz")
    client.get("/sign-in", headers={"Retinue-Refresh": "1"})
    client.get("/", headers={"Retinue-Refresh": "1"})  # fails, and is therefore told

    served = [(line["path"], line["level"]) for line in logged(lines) if line["message"] == "request_served"]
    assert served == [("/healthz", "DEBUG"), ("/sign-in", "DEBUG"), ("/", "INFO")]


def test_a_path_cannot_forge_a_line_of_the_log(client: FlaskClient, lines: io.StringIO) -> None:
    client.get("/a%0d%0ab%1b[2J/%C3%A9")

    [line] = [line for line in logged(lines) if line["message"] == "request_served"]
    assert line["path"] == "/a%0D%0Ab%1B%5B2J/%C3%A9"


def test_alive_says_nothing_but_that(app: Flask) -> None:
    answer = app.test_client().get("/healthz")

    assert (answer.status_code, answer.json) == (200, {"status": "alive"})
