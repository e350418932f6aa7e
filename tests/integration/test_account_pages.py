"""The pages of an account: for its members, its admins, and an operator who has assumed it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.connect import Database
from infra.postgres.visits import Visit, list_visits
from infra.principal import MemberRole
from tests.support.manager_server import USER, form_token, manager_app, signed_in
from tests.support.planted import plant, shared_id
from tests.support.principals import member

REASON = "The sync of their mailbox fails."

#: Every page that shows something of the account 7.
PAGES = [
    "/account",
    f"/account/connections/{shared_id(7)}",
    "/account/people",
    "/account/people?order=name",
    f"/account/people/{shared_id(7)}",
    "/account/search?q=canary",
    f"/account/opportunities/{shared_id(7)}/Opportunity-1",
    f"/account/contacts/{shared_id(7)}/Contact-1",
    "/account/opportunities",
    "/account/opportunities?order=close",
    "/account/contacts",
    "/account/contacts?order=name",
    "/account/members",
    "/account/visits",
]


@pytest.fixture
def app(database: Database, sql: psycopg.Connection) -> Iterator[Flask]:
    for account_id in (7, 8):
        plant(sql, account_id)
    made = manager_app(database)
    yield made
    made.extensions["accounts"].close()


def visit_of(sql: psycopg.Connection) -> Visit:
    """The operator's visit."""
    (visit,) = [one for one in list_visits(sql, account_id=7) if one.person_name == USER]
    return visit


@pytest.fixture
def operator(app: Flask) -> FlaskClient:
    return signed_in(app)


def assume(client: FlaskClient, account_id: int = 7, reason: str = REASON) -> int:
    data = {"reason": reason, "csrf_token": form_token(client)}
    return client.post(f"/accounts/{account_id}/assume", data=data).status_code


def test_an_operator_assumes_an_account_and_leaves_it(operator: FlaskClient, sql: psycopg.Connection) -> None:
    assert assume(operator) == 303
    page = operator.get("/account").get_data(as_text=True)
    assert "as its own people do" in page
    visit = visit_of(sql)
    assert (visit.state, visit.person_name, visit.reason) == ("open", USER, REASON)

    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    left = operator.post("/visits/leave", data={"csrf_token": token[1]})
    assert left.headers["Location"] == "/accounts/7"
    assert operator.get("/account").status_code == 303
    assert visit_of(sql).state == "ended"


@pytest.mark.parametrize("path", PAGES)
def test_an_assumed_page_shows_no_canary_and_is_noted(
    operator: FlaskClient, sql: psycopg.Connection, path: str
) -> None:
    assume(operator)
    answer = operator.get(path)
    assert answer.status_code == 200
    page = answer.get_data(as_text=True)
    assert "canary" not in page.replace('value="canary"', "")
    assert "4242" not in page.replace(",", "")
    noted = sql.execute(
        "SELECT actor_name, target_id, account_id, detail FROM operator_actions"
        " WHERE action = 'account.read' ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert noted is not None
    name, target, account_id, detail = noted
    assert (name, target, account_id, detail["status"]) == (USER, path.partition("?")[0], 7, 200)
    assert detail["visit"] == visit_of(sql).id
    if "search" not in path:
        assert any(detail["shown"].values()), detail


@pytest.mark.parametrize("path", PAGES)
def test_a_member_sees_its_own_page_unmasked(app: Flask, sql: psycopg.Connection, path: str) -> None:
    page = as_member(app, sql).get(path).get_data(as_text=True)
    assert "canary-7" in page or path.endswith("q=canary")
    assert "canary-8" not in page
    assert "•••" not in page


def as_member(
    app: Flask, sql: psycopg.Connection, role: MemberRole = MemberRole.MEMBER, account_id: int = 7
) -> FlaskClient:
    """A member's browser."""
    client = app.test_client()
    principal = member(sql, account_id, role)
    with client.session_transaction() as kept:
        kept["account"] = principal.secret
    return client


def test_no_answer_without_an_entry(operator: FlaskClient, sql: psycopg.Connection) -> None:
    assume(operator)
    sql.execute("ALTER TABLE operator_actions ADD CONSTRAINT refuse CHECK (action <> 'account.read') NOT VALID")
    answer = operator.get("/account/people")
    assert answer.status_code == 500
    assert "Person" not in answer.get_data(as_text=True)
