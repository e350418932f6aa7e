"""Attacks on accounts: by their members, by operators with too weak a role, by one who has assumed an account."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg.types.json import Jsonb
from werkzeug.test import TestResponse

from infra.postgres.audit import Actor, ActorKind
from infra.postgres.bulk_acts import Sorter
from infra.postgres.bulk_pages import Candidate
from infra.postgres.connect import Database
from infra.postgres.erasure_orders import order_erasure
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.logins import Login, ensure_logins
from infra.postgres.members import find_member, invite_member, join_member
from infra.postgres.visits import list_visits
from infra.principal import MemberRole
from infra.roles import Role
from infra.secrets import generate_key
from retinue.bulk import Operation
from tests.support.factories import add_account, add_schedule
from tests.support.manager_server import form_token, manager_app, signed_in, submit, token_in
from tests.support.principals import enter, member
from tests.support.race import DEADLINE_SECONDS

REASON = "The sync of their mailbox fails."
PASSWORD = "correct horse battery"


@pytest.fixture
def app(database: Database) -> Iterator[Flask]:
    made = manager_app(database, secret_key=generate_key().render())
    yield made
    made.extensions["test_accounts"].close()


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql, "Kestrel")


def send(client: FlaskClient, page: str, path: str, **form: str) -> TestResponse:
    """Send a form as the page's own button does."""
    return client.post(path, data={"csrf_token": token_in(client.get(page).text), **form})


def joined(sql: psycopg.Connection, account_id: int, email: str, role: MemberRole = MemberRole.ADMIN) -> int:
    made = invite_member(sql, account_id, email=email, name="Ada Lovelace", role=role, by="Grace")
    return join_member(sql, made.secret, password_hash="x").id


@pytest.fixture
def ada(app: Flask, sql: psycopg.Connection, account: int) -> FlaskClient:
    """The browser of the account's first admin, who has just come by an invitation."""
    made = invite_member(sql, account, email="ada@kestrel.example", name="Ada Lovelace", role=MemberRole.ADMIN, by="G")
    client, link = app.test_client(), f"/account/join?invitation={made.secret}"
    assert send(client, link, "/account/join", invitation=made.secret, password=PASSWORD).status_code == 303
    return client


def assume(client: FlaskClient, account_id: int) -> None:
    data = {"reason": REASON, "csrf_token": form_token(client)}
    assert client.post(f"/accounts/{account_id}/assume", data=data).headers["Location"] == "/account"


def test_the_audit_keeps_nothing_that_tells_who_a_member_is(ada: FlaskClient, sql: psycopg.Connection) -> None:
    send(ada, "/account/members", "/account/members", email="bob@kestrel.example", name="Bob Byron", role="member")
    send(ada, "/account", "/account/sign-out")
    send(ada, "/account/sign-in", "/account/sign-in", email="ada@kestrel.example", password="a wrong one, it is")
    send(ada, "/account/sign-in", "/account/sign-in", email="ada@kestrel.example", password=PASSWORD)
    rows = sql.execute("SELECT row::text FROM operator_actions AS row WHERE actor_kind = 'member'").fetchall()
    assert len(rows) >= 5
    for personal in ("Ada", "Lovelace", "Bob", "Byron", "kestrel.example", "127.0.0.1"):
        assert personal not in str(rows)


def test_the_audit_keeps_nothing_that_an_operator_typed_into_an_address(
    app: Flask, sql: psycopg.Connection, account: int
) -> None:
    operator = signed_in(app)
    assume(operator, account)
    assert operator.get("/account/search?q=jane%40customer.example&x=jane").status_code == 200
    assert operator.get("/account/people?order=name").status_code == 200
    noted = sql.execute("SELECT detail FROM operator_actions WHERE action = 'account.read' ORDER BY id").fetchall()
    assert "jane" not in str(noted)
    assert [detail["query"] for (detail,) in noted] == [{}, {"order": "name"}]


@pytest.mark.parametrize(
    ("job_type", "payload"), [("account.erase", '{"account_id": 7}'), ("connection.remove", '{"removed": 7}')]
)
def test_what_is_ordered_cannot_be_scheduled(app: Flask, sql: psycopg.Connection, job_type: str, payload: str) -> None:
    operator = signed_in(app, Role.OPERATOR)
    form = {"name": "sly", "type": job_type, "payload": payload, "rule": "every", "every": "1", "unit": "minutes"}
    answer = submit(operator, "/schedules", **form)
    assert (answer.status_code, "cannot be scheduled" in answer.text) == (422, True)
    assert sql.execute("SELECT count(*) FROM schedules").fetchone() == (0,)


def test_who_is_put_out_while_their_role_is_changed_stays_out(
    sql: psycopg.Connection, database: Database, app: Flask, ada: FlaskClient, account: int
) -> None:
    bob = joined(sql, account, "bob@kestrel.example", MemberRole.MEMBER)
    ada.get("/account/members")
    answers = []
    with psycopg.connect(database.url) as other:
        other.execute("SELECT FROM members WHERE account_id = %s ORDER BY id FOR UPDATE", (account,))
        token = token_in(ada.get("/account/members").text)
        path = f"/account/members/{bob}/role"
        thread = threading.Thread(
            target=lambda: answers.append(ada.post(path, data={"csrf_token": token, "role": "admin"}).status_code)
        )
        thread.start()
        wait_for_lock(sql)
        other.execute("UPDATE members SET disabled_at = now() WHERE id = %s", (bob,))
        other.commit()
        thread.join(DEADLINE_SECONDS)
    assert answers == [303]
    after = find_member(sql, account, bob)
    assert (after.role, after.disabled_at is not None) == (MemberRole.ADMIN, True)


def wait_for_lock(sql: psycopg.Connection) -> None:
    """Until somebody waits for a row that another one has locked."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(20_000):
        if sql.execute(query).fetchone() != (0,):
            return
    pytest.fail("nobody waits")


def test_a_password_does_not_replace_what_signs_in_otherwise(
    ada: FlaskClient, sql: psycopg.Connection, account: int
) -> None:
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, 'salesforce', 'org', '{}', 'sealed') RETURNING id",
        (account,),
    ).fetchone()
    assert row is not None
    lane = f"connection_id:{row[0]}"
    add_schedule(sql, account_id=account, type="salesforce.sync", lane=lane, payload=Jsonb({"connection_id": row[0]}))
    answer = send(ada, "/account/members", f"/account/connections/{row[0]}/password", password="mine")
    assert (answer.status_code, "has no password" in answer.text) == (409, True)
    assert sql.execute("SELECT credentials FROM connections").fetchone() == (b"sealed",)


def test_leaving_the_manager_ends_what_else_the_browser_has(app: Flask, sql: psycopg.Connection, account: int) -> None:
    client = enter(signed_in(app), member(sql, account))
    assert client.get("/account").status_code == 200
    assert submit_from(client, "/", "/sign-out").status_code == 303
    assert sql.execute("SELECT count(*) FROM account_sessions").fetchone() == (0,)


def test_leaving_an_account_ends_what_else_the_browser_has(app: Flask, sql: psycopg.Connection, account: int) -> None:
    client = enter(signed_in(app), member(sql, account))
    assert send(client, "/account", "/account/sign-out").status_code == 303
    assert sql.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def submit_from(client: FlaskClient, page: str, path: str) -> TestResponse:
    return client.post(path, data={"csrf_token": token_in(client.get(page).text)})


def test_options_of_an_assumed_page_is_no_error(app: Flask, account: int) -> None:
    operator = signed_in(app)
    assume(operator, account)
    assert operator.open("/account/people", method="OPTIONS").status_code == 200
    assert operator.head("/account/people").status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        "[" * 3000,
        "[" + "9" * 5000 + "]",
        '["9999-12-31T23:59:59-23:59",1]',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_a_strange_place_in_a_list_is_refused(ada: FlaskClient, token: str) -> None:
    written = base64.urlsafe_b64encode(token.encode()).decode()
    assert ada.get(f"/account/people?after={written}").status_code in (200, 400, 409)


@pytest.mark.parametrize(
    "path",
    [
        "/account/people?after=%FF%FE",
        "/account/people?after=%00",
        "/account/search?q=%00",
        "/account/search?q=%F0%9F%98%80%ED%A0%80",
        "/account/search?q=" + "a+" * 3000,
        "/account/search?q=%25_%5C'%22--",
        "/account/opportunities/1/%FF",
        "/account/opportunities/1/%00",
        "/account/opportunities/99999999999999999999/x",
        "/account/people/9223372036854775807",
        "/account/visits?before=x",
        "/account/visits?before=99999999999999999999999",
        "/account/join?invitation=%FF%00",
        "/account/join?invitation=" + "é" * 500,
    ],
)
@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/event-stream", "a" * 2000 + "/;q=x"])
def test_nothing_that_is_asked_for_is_an_error_of_ours(ada: FlaskClient, path: str, accept: str) -> None:
    answer = ada.get(path, headers={"Accept": accept})
    assert answer.status_code < 500
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_names_are_escaped_wherever_they_stand(app: Flask, ada: FlaskClient, sql: psycopg.Connection) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=1>"
    page = send(ada, "/account/members", "/account/members", email="x@y.example", name=evil, role="member").text
    assert "<script>alert" not in page + ada.get("/account/members").text
    assert "<img src=x" not in page


def test_what_is_asked_again_and_again_leaves_one_visit_open(app: Flask, sql: psycopg.Connection, account: int) -> None:
    operator = signed_in(app)
    assume(operator, account)
    form = {"reason": REASON, "csrf_token": form_token(operator)}
    for _ in range(3):
        operator.post(f"/accounts/{account}/assume", data=form)
    assert [visit.state for visit in list_visits(sql, account_id=account)] == ["open"]


def test_an_erasure_is_not_run_again_by_who_may_not_order_one(
    app: Flask, sql: psycopg.Connection, account: int
) -> None:
    with sql.transaction():
        job = order_erasure(sql, Actor(ActorKind.COMMAND_LINE, None, "root"), account, reason="a letter")
    with sql.transaction():
        cancel_jobs(sql, [job])
    operator = signed_in(app, Role.OPERATOR)
    submit(operator, f"/jobs/{job}/retry")
    submit(operator, "/jobs/chosen", deed="retry", id=str(job))
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    ended = Candidate(
        job, "account.erase", None, "system", 5, "cancelled", "cancel", datetime.now(UTC), stop_asked=False
    )
    assert Sorter(Operation.RETRY).sort([ended]).left_alone == {"ordered_anew": 1}


def test_nobody_gets_into_an_account_that_is_being_erased_or_stays_there(
    app: Flask, ada: FlaskClient, sql: psycopg.Connection, database_url: str, account: int
) -> None:
    late = invite_member(sql, account, email="late@kestrel.example", name="Late", role=MemberRole.MEMBER, by="G")
    operator = signed_in(app)
    assume(operator, account)
    assert operator.get("/account").status_code == ada.get("/account").status_code == 200
    own = member(sql, account)
    with psycopg.connect(ensure_logins(database_url)[Login.MEMBER], autocommit=True) as raw:
        raw.execute("SELECT set_config('retinue.principal', %s, false)", (own.secret,))
        assert raw.execute("SELECT count(*) FROM accounts").fetchone() == (1,)
        with sql.transaction():
            order_erasure(sql, Actor(ActorKind.COMMAND_LINE, None, "root"), account, reason="a letter")
        assert raw.execute("SELECT count(*) FROM accounts").fetchone() == (0,)
    assert operator.get("/account").status_code == ada.get("/account").status_code == 303
    link = f"/account/join?invitation={late.secret}"
    assert ada.get(link).status_code == 410
    assert send(ada, link, "/account/join", invitation=late.secret, password=PASSWORD).status_code == 410
    form = {"email": "ada@kestrel.example", "password": PASSWORD}
    assert send(ada, "/account/sign-in", "/account/sign-in", **form).status_code == 401
    data = {"reason": REASON, "csrf_token": form_token(operator)}
    assert operator.post(f"/accounts/{account}/assume", data=data).headers["Location"] != "/account"
    assert sql.execute("SELECT count(*) FROM visits").fetchone() == (1,)


@pytest.mark.parametrize("url", ["https://ada:s3cret@dav.example/", "https://[", "https://@dav.example/"])
def test_a_password_in_an_address_is_not_kept(ada: FlaskClient, sql: psycopg.Connection, url: str) -> None:
    form = {"url": url, "username": "ada", "password": "x"}
    assert send(ada, "/account/connect", "/account/connect/caldav", **form).status_code == 400
    assert sql.execute("SELECT count(*) FROM connections").fetchone() == (0,)
