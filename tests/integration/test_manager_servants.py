"""The servants' pages: what they say of each, and what operators can ask of one."""

from __future__ import annotations

import re

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.audit import actions_on
from infra.postgres.connect import Database
from infra.roles import Role
from manager.live.regions import Fragment
from tests.support.manager_server import manager_app, signed_in, submit, token_in
from tests.support.overview_rows import add_account, add_servant, add_type, current_job
from tests.support.servant_rows import Crew, add_crew


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return signed_in(app)


@pytest.fixture
def crew(sql: psycopg.Connection) -> Crew:
    return add_crew(sql)


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).replace("\u202f", " ").replace("\u00a0", " ").split())


def row_of(page: str, servant_id: int) -> str:
    """The words of one servant's row."""
    found = re.search(rf'<tr role="row" id="servant-{servant_id}">.*?</tr>', page, re.DOTALL)
    assert found, page
    return text_of(found[0])


def test_each_servant_says_how_it_stands(client: FlaskClient, crew: Crew) -> None:
    page = client.get("/servants").text

    assert re.search(r"up 2 of 8 Acme Dental job 71 , [45]\d s 120 of 400", row_of(page, crew.working))
    assert re.search("1 in a day killed by SIGKILL, 3 min [12]\\d s ago", row_of(page, crew.restarted))
    assert "silent no answer from its queue for 5 min" in row_of(page, crew.silent)
    assert re.search("late (1[5-9]|2\\d) s ago", row_of(page, crew.late))
    assert "resting asked to drain" in row_of(page, crew.resting)
    assert "by hand" in row_of(page, crew.by_hand)
    assert "2 up" in text_of(page)


def test_who_was_replaced_is_not_among_the_living(client: FlaskClient, crew: Crew, sql: psycopg.Connection) -> None:
    (killed,) = sql.execute("SELECT id FROM servants WHERE pid = 101").fetchall()[0]

    assert f'id="servant-{killed}"' not in client.get("/servants").text
    assert f'id="servant-{killed}"' in client.get("/servants?ended=1").text
    assert "lost" in text_of(client.get(f"/servants/{killed}").text)


def test_those_of_one_type(client: FlaskClient, crew: Crew) -> None:
    page = client.get("/servants?type=email.sync").text
    assert f'id="servant-{crew.silent}"' in page
    assert f'id="servant-{crew.working}"' not in page


def test_where_nothing_runs_it_says_how_to_start(client: FlaskClient) -> None:
    assert "retinue servant TYPE" in client.get("/servants").text
    assert "retinue servant a.sync" in client.get("/servants?type=a.sync").text


def test_a_servants_own_page(client: FlaskClient, crew: Crew) -> None:
    words = text_of(client.get(f"/servants/{crew.restarted}").text)
    assert "killed by SIGKILL 101 servant" in words
    assert "Idle" in words
    silent = text_of(client.get(f"/servants/{crew.silent}").text)
    assert "its queue has not answered it for 60 s and more" in silent
    assert "Started by hand" in text_of(client.get(f"/servants/{crew.by_hand}").text)


def test_what_people_named_is_shown_as_text(client: FlaskClient, sql: psycopg.Connection) -> None:
    evil = "<script>alert(1)</script>"
    add_type(sql, "a.sync")
    servant = add_servant(sql, "a.sync", jobs=[current_job(1, account=add_account(sql, evil))], host=evil)
    for path in ("/servants", f"/servants/{servant}", f"/servants/{servant}/restart/confirm"):
        page = client.get(path).text
        assert "&lt;script&gt;" in page or "confirm" in path
        assert evil not in page


def test_a_drain_is_asked_for_and_written_down(client: FlaskClient, crew: Crew, sql: psycopg.Connection) -> None:
    answer = submit(client, f"/servants/{crew.working}/drain")

    assert (answer.status_code, answer.location) == (303, f"/servants/{crew.working}")
    assert sql.execute("SELECT request FROM servants WHERE id = %s", (crew.working,)).fetchone() == ("drain",)
    (action,) = actions_on(sql, "servant", crew.working)
    assert (action.action, action.detail["pid"]) == ("servant.drain", 100)
    page = text_of(client.get(f"/servants/{crew.working}").text)
    assert "is asked to drain: it hears of it within 5 s" in page
    assert "servant.drain" in page


def test_a_restart_is_asked_for_twice(client: FlaskClient, crew: Crew, sql: psycopg.Connection) -> None:
    asks = text_of(client.get(f"/servants/{crew.working}/restart/confirm").text)
    assert "Its 2 running jobs get 20 s to finish" in asks
    assert "supervisord starts it anew" in asks
    by_hand = text_of(client.get(f"/servants/{crew.by_hand}/restart/confirm").text)
    assert "nothing will start it anew" in by_hand

    submit(client, f"/servants/{crew.working}/restart")

    assert sql.execute("SELECT request FROM servants WHERE id = %s", (crew.working,)).fetchone() == ("restart",)


def test_what_cannot_be_asked_is_refused_in_words(client: FlaskClient, crew: Crew, sql: psycopg.Connection) -> None:
    sql.execute("UPDATE servants SET state = 'stopped' WHERE id = %s", (crew.working,))
    answer = submit(client, f"/servants/{crew.working}/drain")
    assert answer.status_code == 303
    assert "has ended already: it is stopped" in client.get("/servants").text
    assert actions_on(sql, "servant", crew.working) == []
    assert submit(client, "/servants/4711/drain").status_code == 404
    assert client.get("/servants/4711").status_code == 404


def test_a_viewer_looks_and_asks_nothing(app: Flask, crew: Crew, sql: psycopg.Connection) -> None:
    viewer = signed_in(app, Role.VIEWER)
    assert "Drain" not in viewer.get("/servants").text
    assert "Drain" not in viewer.get(f"/servants/{crew.working}").text
    assert submit(viewer, f"/servants/{crew.working}/drain").status_code == 403
    assert viewer.get(f"/servants/{crew.working}/restart/confirm").status_code == 403
    assert sql.execute("SELECT count(*) FROM servants WHERE request = 'restart'").fetchone() == (0,)


def test_a_heartbeat_alone_changes_no_live_list(app: Flask, crew: Crew, sql: psycopg.Connection) -> None:
    """Two hundred servants beat all the time: what is well must not be sent to every page again and again."""
    client = signed_in(app)
    sql.execute("UPDATE servants SET heartbeat_at = now(), received_at = now(), current_jobs = '[]', busy = 0")

    def digest() -> str:
        page = client.get("/servants").text
        page = page.replace(token_in(page), "")  # each second another; what is sent to open pages has none
        return Fragment.of(page[page.index('id="servants"') : page.index("</main>")]).digest

    before = digest()
    sql.execute("UPDATE servants SET heartbeat_at = now() + interval '1 s', received_at = now()")
    assert digest() == before
