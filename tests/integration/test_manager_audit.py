"""What operators did is written down with what they did, stays as it is, and can be found."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from flask.testing import FlaskClient
from psycopg.errors import RestrictViolation

from infra.postgres import audit
from infra.postgres.audit import Act, ActionFilter, Actor, ActorKind, actions_on, list_actions, note
from infra.postgres.connect import Database
from infra.roles import Role
from tests.support.manager_server import manager_app, signed_in

ADA = Actor(ActorKind.PERSON, 1, "Ada", address="192.0.2.7", request_id="r-1")
BOT = Actor(ActorKind.TOKEN, 5, "bot")


@pytest.fixture
def did(sql: psycopg.Connection) -> None:
    """Five actions of two."""
    note(sql, ADA, Act("job.retry", "job", 7, account_id=3))
    note(sql, ADA, Act("job.cancel", "job", 8, account_id=4, detail={"why": "<b>asked</b>"}))
    note(sql, BOT, Act("lane.pause", "lane", "a.sync account:3", account_id=3))
    note(sql, BOT, Act("job.retry", "job", 7, account_id=3))
    note(sql, ADA, Act("person.sign_in", "person", 1))


def ids(sql: psycopg.Connection, wanted: ActionFilter) -> list[int]:
    return [action.id for action in list_actions(sql, wanted).actions]


def test_nothing_written_down_is_changed_or_taken_out(sql: psycopg.Connection, did: None) -> None:
    for change in ("UPDATE operator_actions SET actor_name = 'Bob'", "DELETE FROM operator_actions"):
        with pytest.raises(RestrictViolation, match="only ever added to"):
            sql.execute(change.encode())
    assert len(list_actions(sql, ActionFilter()).actions) == 5


def test_what_is_rolled_back_was_not_done(database: Database, sql: psycopg.Connection) -> None:
    with database.transaction() as connection, connection.transaction(force_rollback=True):
        note(connection, ADA, Act("job.retry", "job", 7))
    assert list_actions(sql, ActionFilter()).actions == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (ActionFilter(), [5, 4, 3, 2, 1]),
        (ActionFilter(actor="ada"), [5, 2, 1]),
        (ActionFilter(action="job."), [4, 2, 1]),
        (ActionFilter(action="job.retry"), [4, 1]),
        (ActionFilter(action="job%"), []),
        (ActionFilter(target_kind="job"), [4, 2, 1]),
        (ActionFilter(target_kind="job", target_id="7"), [4, 1]),
        (ActionFilter(account_id=3), [4, 3, 1]),
        (ActionFilter(actor="bot", account_id=3, action="lane."), [3]),
        (ActionFilter(since=datetime.now(UTC) + timedelta(hours=1)), []),
        (ActionFilter(until=datetime.now(UTC) + timedelta(hours=1)), [5, 4, 3, 2, 1]),
        (ActionFilter(until=datetime(2026, 1, 1, tzinfo=UTC)), []),
    ],
)
def test_actions_are_found_by_who_what_and_when(
    sql: psycopg.Connection, did: None, wanted: ActionFilter, found: list[int]
) -> None:
    assert ids(sql, wanted) == found


def test_what_was_done_to_something_is_found_by_it(sql: psycopg.Connection, did: None) -> None:
    found = actions_on(sql, "job", 7)

    assert [(action.actor_name, action.actor_kind, action.address) for action in found] == [
        ("bot", "token", None),
        ("Ada", "person", "192.0.2.7"),
    ]


def test_pages_go_on_where_the_one_before_ended(sql: psycopg.Connection, did: None) -> None:
    first = list_actions(sql, ActionFilter(), limit=2)
    second = list_actions(sql, ActionFilter(), before=first.older, limit=2)
    third = list_actions(sql, ActionFilter(), before=second.older, limit=2)

    assert [[action.id for action in page.actions] for page in (first, second, third)] == [[5, 4], [3, 2], [1]]
    assert third.older is None


def test_a_search_that_finds_little_ends_somewhere_and_goes_on_from_there(
    sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(sql, BOT, Act("rare.thing", "job", 1))
    for number in range(30):
        note(sql, ADA, Act("job.retry", "job", number))
    monkeypatch.setattr(audit, "_FIRST_WINDOW", 10)
    monkeypatch.setattr(audit, "_LARGEST_WINDOW", 10)
    monkeypatch.setattr(audit, "MAX_SEARCHED", 20)

    first = list_actions(sql, ActionFilter(actor="bot"))
    assert first.actions == []
    assert first.older == 12
    second = list_actions(sql, ActionFilter(actor="bot"), before=first.older)
    assert ([action.action for action in second.actions], second.older) == (["rare.thing"], None)


@pytest.fixture
def viewer(database: Database) -> FlaskClient:
    return signed_in(manager_app(database), Role.VIEWER)


def shown(client: FlaskClient, query: str = "") -> list[int]:
    return [int(number) for number in re.findall(r'id="action-(\d+)"', client.get(f"/audit{query}").text)]


def test_the_page_filters_by_its_address(did: None, viewer: FlaskClient) -> None:
    assert shown(viewer) == [6, 5, 4, 3, 2, 1]
    assert shown(viewer, "?actor=bot") == [4, 3]
    assert shown(viewer, "?target=job:7") == [4, 1]
    assert shown(viewer, "?target=job") == [4, 2, 1]
    assert shown(viewer, "?account=4") == [2]
    today = datetime.now(UTC).date()
    assert shown(viewer, f"?since={today}&until={today}&action=job.") == [4, 2, 1]
    assert shown(viewer, "?before=3") == [2, 1]
    assert 'href="/audit?action=job.' in viewer.get("/audit?action=job.&actor=bot").text


@pytest.mark.parametrize("query", ["?account=x", "?since=yesterday", "?until=2026-13-01", "?account=9" + "9" * 20])
def test_what_makes_no_sense_is_said(viewer: FlaskClient, query: str) -> None:
    assert viewer.get(f"/audit{query}").status_code == 400


def test_details_are_text_and_addresses_are_for_admins(did: None, viewer: FlaskClient, database: Database) -> None:
    page = viewer.get("/audit").text

    assert "&lt;b&gt;asked&lt;/b&gt;" in page
    assert "192.0.2.7" not in page
    assert "192.0.2.7" in signed_in(manager_app(database)).get("/audit").text


def test_an_empty_list_says_what_will_show_there(viewer: FlaskClient) -> None:
    assert "No action fits these filters" in viewer.get("/audit?actor=nobody").text
