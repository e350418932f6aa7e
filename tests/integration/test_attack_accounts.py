"""Attacks on accounts: by their members, by operators with too weak a role, by one who has assumed an account."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb
from werkzeug.test import TestResponse

from infra.postgres.connect import Database
from infra.postgres.logins import Login, ensure_logins
from infra.postgres.members import find_member, invite_member, join_member
from infra.postgres.visits import list_visits
from infra.principal import MemberRole
from infra.roles import Role
from infra.secrets import generate_key
from tests.support.factories import add_account, add_schedule
from tests.support.manager_server import form_token, manager_app, signed_in, submit, token_in
from tests.support.planted import plant
from tests.support.principals import member, visitor
from tests.support.race import DEADLINE_SECONDS

REASON = "The sync of their mailbox fails."
PASSWORD = "correct horse battery"


@pytest.fixture
def app(database: Database) -> Iterator[Flask]:
    made = manager_app(database, secret_key=generate_key().render())
    yield made
    made.extensions["accounts"].close()


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


# What stays when an account is erased


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


# Operators with too weak a role


@pytest.mark.parametrize(
    ("job_type", "payload"), [("account.erase", '{"account_id": 7}'), ("connection.remove", '{"removed": 7}')]
)
def test_what_is_ordered_cannot_be_scheduled(app: Flask, sql: psycopg.Connection, job_type: str, payload: str) -> None:
    operator = signed_in(app, Role.OPERATOR)
    form = {"name": "sly", "type": job_type, "payload": payload, "rule": "every", "every": "1", "unit": "minutes"}
    answer = submit(operator, "/schedules", **form)
    assert (answer.status_code, "cannot be scheduled" in answer.text) == (422, True)
    assert sql.execute("SELECT count(*) FROM schedules").fetchone() == (0,)


@pytest.mark.parametrize(
    "end", ["UPDATE people SET role = 'viewer' WHERE id = %s", "UPDATE people SET disabled_at = now() WHERE id = %s"]
)
def test_a_visit_shows_nothing_once_its_operator_may_not_look_whatever_asks(
    sql: psycopg.Connection, database_url: str, end: LiteralString
) -> None:
    plant(sql, 7)
    principal = visitor(sql, 7)
    with psycopg.connect(ensure_logins(database_url)[Login.SUPPORT], autocommit=True) as raw:
        raw.execute("SELECT set_config('retinue.principal', %s, false)", (principal.secret,))
        assert raw.execute("SELECT count(*) FROM contacts").fetchone() == (1,)
        sql.execute(end, (principal.id,))
        assert raw.execute("SELECT count(*) FROM contacts").fetchone() == (0,)


# Logins


@pytest.mark.parametrize("login", Login)
def test_no_login_of_another_database_gets_into_this_one(
    sql: psycopg.Connection, database_url: str, login: Login
) -> None:
    ensure_logins(database_url)
    sql.execute("DROP ROLE IF EXISTS retinue_stranger")
    sql.execute("CREATE ROLE retinue_stranger LOGIN PASSWORD 'known'")
    try:
        role = {"operator": "retinue_operator", "member": "retinue_account", "support": "retinue_assumed"}[login]
        sql.execute(f"GRANT {role} TO retinue_stranger".encode())
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(make_conninfo(database_url, user="retinue_stranger", password="known"))
    finally:
        sql.execute("DROP ROLE retinue_stranger")


@pytest.mark.parametrize("login", [Login.MEMBER, Login.SUPPORT])
def test_what_a_login_changes_of_itself_is_undone(database_url: str, login: Login) -> None:
    url = ensure_logins(database_url)[login]
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("SET default_transaction_read_only = off")
        for change in (
            "PASSWORD 'mine'",
            "SET statement_timeout = 0",
            "SET search_path = public",
            "SET work_mem = '1GB'",
        ):
            raw.execute(f"ALTER ROLE CURRENT_USER {change}".encode())
    with psycopg.connect(ensure_logins(database_url)[login], autocommit=True) as raw:
        told = raw.execute(
            "SELECT current_setting('statement_timeout'), current_setting('default_transaction_read_only'),"
            " current_setting('search_path'), current_setting('work_mem')"
        ).fetchone()
        assert told is not None
        assert told[:3] == ("15s", "on", "public" if login is Login.MEMBER else "masked")
        assert told[3] != "1GB"


# Members of one account


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


# One browser, two sessions


def test_leaving_the_manager_ends_what_else_the_browser_has(app: Flask, sql: psycopg.Connection, account: int) -> None:
    client = signed_in(app)
    with client.session_transaction() as kept:
        kept["account"] = member(sql, account).secret
    assert client.get("/account").status_code == 200
    assert submit_from(client, "/", "/sign-out").status_code == 303
    assert sql.execute("SELECT count(*) FROM account_sessions").fetchone() == (0,)


def test_leaving_an_account_ends_what_else_the_browser_has(app: Flask, sql: psycopg.Connection, account: int) -> None:
    client = signed_in(app)
    with client.session_transaction() as kept:
        kept["account"] = member(sql, account).secret
    assert send(client, "/account", "/account/sign-out").status_code == 303
    assert sql.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


def submit_from(client: FlaskClient, page: str, path: str) -> TestResponse:
    return client.post(path, data={"csrf_token": token_in(client.get(page).text)})


# Odd requests


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


def test_support_cannot_try_whether_an_address_is_somebodys(sql: psycopg.Connection, database_url: str) -> None:
    plant(sql, 7)
    principal = visitor(sql, 7)
    ((address,),) = sql.execute("SELECT address FROM contacts WHERE account_id = 7").fetchall()
    with psycopg.connect(ensure_logins(database_url)[Login.SUPPORT], autocommit=True) as raw:
        raw.execute("SELECT set_config('retinue.principal', %s, false)", (principal.secret,))
        for table, key in (("contacts", "address_key"), ("records", "email_key")):
            assert raw.execute(f"SELECT count(*) > 0 FROM {table}".encode()).fetchone() == (True,)  # noqa: S608 - ours
            guess = f"SELECT count(*) FROM {table} WHERE {key} = hashtextextended(%s, 0)"  # noqa: S608 - ours
            assert raw.execute(guess.encode(), (address,)).fetchone() == (0,)
        assert raw.execute("SELECT external_id FROM crm_people").fetchall() == [("Contact-1",)]
