"""The page, its JSON and the checks, over a real database."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.connect import Database
from tests.support.hand_clock import HandClock
from tests.support.manager_server import PASSWORD, USER, StubQueues, manager_app, signed_in
from tests.support.overview_rows import add_fleet, add_scheduler, add_servant, add_type

DOCUMENT = Path(__file__).parents[2] / "docs" / "manager.md"


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return signed_in(app)


def overview(app: Flask) -> Any:
    answer = app.test_client().get("/api/overview", auth=(USER, PASSWORD))
    assert answer.status_code == 200
    return answer.json


def text_of(page: str) -> str:
    """The page's words, without its tags and with plain spaces."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).replace("\u202f", " ").split())


def test_an_empty_system_says_what_to_do_first(client: FlaskClient) -> None:
    page = client.get("/").text

    assert "Nothing runs yet." in page
    assert "<code>retinue schedules add</code>" in page
    assert "<code>retinue up</code>" in page
    assert "<table" not in page


def test_with_programs_running_and_no_job_the_first_steps_are_shorter(
    client: FlaskClient, sql: psycopg.Connection
) -> None:
    add_type(sql, "a.sync")
    add_servant(sql, "a.sync")
    add_scheduler(sql)

    page = client.get("/").text

    assert "Everything runs." in page
    assert "<code>retinue schedules add</code>" in page
    assert "retinue up" not in page


def test_the_page_shows_jobs_servants_and_schedulers(client: FlaskClient, sql: psycopg.Connection) -> None:
    add_fleet(sql)

    words = text_of(client.get("/").text)

    assert "email.sync 1 up 1 of 16 10 500 9 8 31 022 41 0 433 180" in words
    assert "salesforce.sync 1 late 1 gone 2 of 4" in words
    assert "All types 4 up, 1 late, 1 gone 9 of 52 10 949 15 17 45 136 53 4 645 352" in words
    assert re.search(r"Blue Harbour Dental job 91007 ?, attempt 2, 1.min.3\d.s 12 400 of 55 012", words)
    assert "system.echo draining sync-1, pid 4713" in words
    assert re.search(r"late 1[89].s.ago", words)
    assert re.search(r"lost 2.min.1\d.s.ago", words)
    assert re.search(r"dispatch 82 440 82 440 2 10.ms \d+.s ago", words)
    assert "First steps" not in words


def test_what_people_named_is_shown_as_text(client: FlaskClient, sql: psycopg.Connection) -> None:
    sql.execute("INSERT INTO accounts (id, name) VALUES (5, '<script>alert(1)</script>')")
    add_servant(
        sql,
        "a.sync",
        jobs=[{"job": 1, "attempt": 1, "account": 5, "lane": "", "seconds": 1, "done": None, "total": None}],
    )

    page = client.get("/").text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def keys(value: Any, path: str = "") -> set[str]:
    """Every key in there, with those above it; an entry of a list stands for all, and so does one of `passes`."""
    if isinstance(value, list):
        return {key for item in value for key in keys(item, f"{path}[]")}
    if not isinstance(value, dict):
        return set()
    if path.endswith("passes"):
        return {key for item in value.values() for key in keys(item, f"{path}.NAME")}
    return {key for name, item in value.items() for key in {f"{path}.{name}".strip("."), *keys(item, f"{path}.{name}")}}


def test_every_key_of_the_json_is_documented_and_no_other(app: Flask, sql: psycopg.Connection) -> None:
    add_fleet(sql)

    section = DOCUMENT.read_text("utf-8").partition("## `/api/overview`")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([\w.\[\]]+)` \|", section, re.MULTILINE))
    documented |= {f"types[].{key}" for key in documented if key.startswith("jobs.")}

    assert keys(overview(app)) == documented


def test_the_json_tells_the_same(app: Flask, sql: psycopg.Connection) -> None:
    add_fleet(sql)

    told = overview(app)

    mail = next(row for row in told["types"] if row["type"] == "email.sync")
    assert mail["jobs"] == {
        "now": {"pending": 10_500, "queued": 9, "running": 8},
        "capped": [],
        "last_24_hours": {"completed": 31_022, "failed": 41, "cancelled": 0},
        "in_all": {"completed": 433_139, "failed": 41, "cancelled": 0},
    }
    assert [problem["code"] for problem in told["problems"]] == ["servant_lost", "servant_late"]
    assert [row["heartbeat"] for row in told["servants"]] == ["fresh", "fresh", "fresh", "late", "fresh", "lost"]
    assert told["environment"] == "local"


def test_times_are_iso_and_utc(app: Flask, sql: psycopg.Connection) -> None:
    row = sql.execute(
        "SELECT format('ALTER DATABASE %I SET timezone TO %L', current_database(), 'Asia/Kolkata')"
    ).fetchone()
    assert row is not None
    sql.execute(row[0])
    add_servant(sql, "a.sync", silent_seconds=4)

    told = overview(app)

    at, beat = told["at"], told["servants"][0]["heartbeat_at"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment) for moment in (at, beat))
    age = (datetime.fromisoformat(at) - datetime.fromisoformat(beat)).total_seconds()
    assert age == pytest.approx(told["servants"][0]["heartbeat_age_seconds"], abs=0.1)


def test_everyone_who_looks_within_a_second_sees_the_same(database: Database, sql: psycopg.Connection) -> None:
    clock = HandClock()
    app = manager_app(database, clock=clock)
    before = overview(app)
    add_servant(sql, "a.sync")

    assert overview(app) == before
    clock.advance(1)
    assert len(overview(app)["servants"]) == 1


def test_without_a_schema_the_page_says_how_to_make_one(client: FlaskClient, sql: psycopg.Connection) -> None:
    sql.execute("DROP TABLE job_rollups")

    answer = client.get("/")

    assert answer.status_code == 503
    assert "Run: retinue migrate" in answer.text


def readiness(database: Database, queues: StubQueues | None = None) -> tuple[int, Any]:
    answer = manager_app(database, queues=queues).test_client().get("/readyz")
    return answer.status_code, answer.json


def test_ready_with_a_schema_a_scheduler_and_queues(database: Database, sql: psycopg.Connection) -> None:
    add_type(sql, "a.sync")
    add_type(sql, "b.sync")
    add_scheduler(sql, silent_seconds=400)
    add_scheduler(sql, silent_seconds=2)

    status, told = readiness(database)

    assert status == 200
    assert told == {
        "ready": True,
        "checks": {
            "database": {"ok": True, "message": "The database answers."},
            "schema": {"ok": True, "message": "The schema is current: revision 0001."},
            "scheduler": {"ok": True, "message": "The last heartbeat of a scheduler came 2 s ago."},
            "queues": {"ok": True, "message": "All 2 queues answer."},
        },
    }


@pytest.mark.parametrize(
    ("silent_seconds", "message"),
    [(None, r"No scheduler runs\."), (16, r"The last heartbeat of a scheduler came 1[6-9] s ago\.")],
)
def test_not_ready_without_a_live_scheduler(
    database: Database, sql: psycopg.Connection, silent_seconds: float | None, message: str
) -> None:
    if silent_seconds is not None:
        add_scheduler(sql, silent_seconds=silent_seconds)
    sql.execute("UPDATE schedulers SET stopped_at = now() WHERE id = %s", (add_scheduler(sql),))

    status, told = readiness(database)

    assert (status, told["ready"]) == (503, False)
    assert not told["checks"]["scheduler"]["ok"]
    assert re.fullmatch(message, told["checks"]["scheduler"]["message"])


def test_not_ready_while_a_queue_is_away(database: Database, sql: psycopg.Connection) -> None:
    add_type(sql, "a.sync")
    add_scheduler(sql)

    status, told = readiness(database, StubQueues(away={"a.sync"}))

    assert status == 503
    assert told["checks"]["queues"] == {"ok": False, "message": "The queue of a.sync cannot be reached."}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE alembic_version", "A migration is missing"),
        ("UPDATE alembic_version SET version_num = '9999'", "newer than"),
    ],
)
def test_not_ready_with_another_schema(database: Database, sql: psycopg.Connection, change: str, said: str) -> None:
    client = manager_app(database).test_client()
    sql.execute(change.encode())

    answer = client.get("/readyz")

    assert answer.status_code == 503
    told: Any = answer.json
    assert told["checks"]["database"]["ok"]
    assert said in told["checks"]["schema"]["message"]
    assert not told["checks"]["schema"]["ok"]


def test_readiness_is_looked_at_once_in_a_few_seconds(database: Database, sql: psycopg.Connection) -> None:
    add_type(sql, "a.sync")
    clock, queues = HandClock(), StubQueues()
    client = manager_app(database, queues=queues, clock=clock).test_client()

    for _ in range(3):
        client.get("/readyz")
    assert len(queues.asked) == 1
    clock.advance(5)
    client.get("/readyz")
    assert len(queues.asked) == 2
