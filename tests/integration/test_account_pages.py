"""The pages of an account: for its members, its admins, and an operator who has assumed it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.postgres.connect import Database
from infra.postgres.masking import MASKED
from infra.postgres.unmask import UNMASKABLE
from infra.postgres.visits import Visit, list_visits
from infra.principal import MemberRole
from infra.roles import Role
from tests.support.manager_server import USER, form_token, manager_app, signed_in
from tests.support.planted import plant, shared_id
from tests.support.principals import enter, member

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
    made.extensions["test_accounts"].close()


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
    return enter(app.test_client(), member(sql, account_id, role))


def test_the_audit_says_how_much_a_page_showed_and_which_on_demand(
    operator: FlaskClient, sql: psycopg.Connection
) -> None:
    assume(operator)
    operator.get("/account/people")
    page = operator.get("/audit").text
    assert re.search(rf"<summary>shown: 1 \w+</summary><span[^>]*>\w+</span> {shared_id(7)}</details>", page)
    # A row that somebody wrote by hand is no reason to show none.
    sql.execute(
        "INSERT INTO operator_actions (actor_kind, actor_name, action, target_kind, detail)"
        " VALUES ('person', 'x', 'account.read', 'page', %s)",
        ('{"shown": {"people": 7, "event": "x"}}',),
    )
    assert operator.get("/audit").status_code == 200


def test_no_answer_without_an_entry(operator: FlaskClient, sql: psycopg.Connection) -> None:
    assume(operator)
    sql.execute("ALTER TABLE operator_actions ADD CONSTRAINT refuse CHECK (action <> 'account.read') NOT VALID")
    answer = operator.get("/account/people")
    assert answer.status_code == 500
    assert "Person" not in answer.get_data(as_text=True)


#: What an admin may see one by one, and what is in it.
FIELDS = [
    ("person", str(shared_id(7)), "name", "canary-7-contacts-name"),
    ("person", str(shared_id(7)), "address", "canary-7-contacts-address"),
    ("message", str(shared_id(7)), "subject", "canary-7-mail_messages-subject"),
    ("event", str(shared_id(7)), "summary", "canary-7-calendar_events-summary"),
    ("record", f"{shared_id(7)}:Opportunity:Opportunity-1", "Amount", "4242424242"),
]


@pytest.mark.parametrize(("kind", "number", "field", "value"), FIELDS)
def test_an_admin_sees_one_value_for_a_reason_and_that_is_noted(
    app: Flask, sql: psycopg.Connection, kind: str, number: str, field: str, value: str
) -> None:
    admin = signed_in(app)
    assume(admin)
    place = {"kind": kind, "id": number, "field": field, "csrf_token": form_token(admin)}
    assert admin.post("/visits/unmask", data=place).status_code == 303, "it wants a reason"
    seen = admin.post("/visits/unmask", data={**place, "reason": "They cannot tell which it is."}).text
    assert value in seen
    assert seen.count("canary") <= 1
    noted = sql.execute(
        "SELECT target_kind, target_id, account_id, detail ->> 'field', detail ->> 'reason'"
        " FROM operator_actions WHERE action = 'account.unmask'"
    ).fetchall()
    assert noted == [(kind, number, 7, field, "They cannot tell which it is.")]


@pytest.mark.parametrize(
    ("kind", "number", "field"),
    [
        ("person", str(shared_id(8)), "name"),
        ("record", f"{shared_id(8)}:Opportunity:Opportunity-1", "Amount"),
        ("connection", str(shared_id(7)), "credentials"),
        ("member", str(shared_id(7)), "password_hash"),
        ("person", "1 OR true", "name"),
        ("record", "x:y:z", "Name"),
    ],
)
def test_nothing_else_is_unmasked(app: Flask, kind: str, number: str, field: str) -> None:
    admin = signed_in(app)
    assume(admin)
    place = {"kind": kind, "id": number, "field": field, "csrf_token": form_token(admin)}
    answer = admin.post("/visits/unmask", data={**place, "reason": "They cannot tell which it is."})
    assert (answer.status_code, "canary" in answer.text) == (404, False)


def test_only_admins_who_have_assumed_an_account_unmask(app: Flask) -> None:
    place = {"kind": "person", "id": str(shared_id(7)), "field": "name", "reason": "They cannot tell which it is."}
    for client, assumed in ((signed_in(app), False), (signed_in(app, Role.OPERATOR), True)):
        if assumed:
            assume(client)
            assert "unmask" not in client.get(f"/account/people/{shared_id(7)}").text
        answer = client.post("/visits/unmask", data={**place, "csrf_token": form_token(client)})
        assert (answer.status_code, "canary" in answer.text) == (403, False)


def test_what_may_be_unmasked_is_masked() -> None:
    for table, columns in UNMASKABLE.values():
        assert set(columns) <= MASKED[table].keys()
