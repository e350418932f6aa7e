"""What people of an account do: they come by an invitation, invite others, connect, and decide about visits."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from infra.postgres.connect import Database
from infra.postgres.members import invite_member, list_members
from infra.postgres.visits import list_visits
from infra.principal import MemberRole
from infra.secrets import generate_key
from retinue.testing import run
from servants.accounts.disconnect import remove
from tests.support.factories import add_account, add_servant
from tests.support.manager_server import manager_app, signed_in, token_in

PASSWORD = "correct horse battery"


@pytest.fixture
def key() -> str:
    return generate_key().render()


@pytest.fixture
def app(database: Database, key: str) -> Iterator[Flask]:
    made = manager_app(database, secret_key=key)
    yield made
    made.extensions["test_accounts"].close()


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql, "Kestrel")


def submit(client: FlaskClient, page: str, path: str, **form: str) -> TestResponse:
    """Send a form as the page's own button does."""
    return client.post(path, data={"csrf_token": token_in(client.get(page).text), **form})


@pytest.fixture
def ada(app: Flask, sql: psycopg.Connection, account: int) -> FlaskClient:
    """The browser of the account's first admin, who has just come by an invitation."""
    made = invite_member(sql, account, email="ada@kestrel.example", name="Ada", role=MemberRole.ADMIN, by="Grace")
    return join(app, f"/account/join?invitation={made.secret}")


def join(app: Flask, link: str) -> FlaskClient:
    client = app.test_client()
    secret = link.partition("invitation=")[2]
    answer = submit(client, link, "/account/join", invitation=secret, password=PASSWORD)
    assert answer.headers["Location"] == "/account"
    return client


def actions(sql: psycopg.Connection) -> list[tuple[str, str, str]]:
    """What people of accounts did."""
    return sql.execute(
        "SELECT action, actor_kind, actor_name FROM operator_actions WHERE actor_kind = 'member' ORDER BY id"
    ).fetchall()


def test_somebody_comes_by_an_invitation_and_later_with_a_password(
    app: Flask, ada: FlaskClient, sql: psycopg.Connection
) -> None:
    assert "Nothing is connected yet" in ada.get("/account").text
    assert submit(ada, "/account", "/account/sign-out").headers["Location"] == "/account/sign-in"
    assert ada.get("/account").status_code == 303

    wrong = submit(ada, "/account/sign-in", "/account/sign-in", email="ada@kestrel.example", password="guessed it")
    assert (wrong.status_code, "address or the password is wrong" in wrong.text) == (401, True)
    right = submit(ada, "/account/sign-in", "/account/sign-in", email=" Ada@Kestrel.example ", password=PASSWORD)
    assert right.headers["Location"] == "/account"
    assert ada.get("/account").status_code == 200
    assert [action for action, _, _ in actions(sql)] == [
        "member.join",
        "member.sign_in",
        "member.sign_out",
        "act.refused",
        "member.sign_in",
    ]


def test_a_weak_password_and_a_used_link_are_refused(app: Flask, sql: psycopg.Connection, account: int) -> None:
    made = invite_member(sql, account, email="ada@kestrel.example", name="Ada", role=MemberRole.ADMIN, by="Grace")
    link, client = f"/account/join?invitation={made.secret}", app.test_client()
    weak = submit(client, link, "/account/join", invitation=made.secret, password="short")
    assert (weak.status_code, "A password has 12 to 1024 characters" in weak.text) == (400, True)
    assert list_members(sql, account)[0].joined_at is None

    join(app, link)
    assert app.test_client().get(link).status_code == 410
    late = submit(client, "/account/sign-in", "/account/join", invitation=made.secret, password=PASSWORD)
    assert late.status_code == 410


def test_who_guesses_has_to_wait(app: Flask, ada: FlaskClient) -> None:
    stranger = app.test_client()
    statuses = [
        submit(stranger, "/account/sign-in", "/account/sign-in", email="ada@kestrel.example", password=str(number))
        for number in range(7)
    ]
    assert [one.status_code for one in statuses][-1] == 429


def test_an_admin_invites_somebody_who_looks_and_changes_nothing(
    app: Flask, ada: FlaskClient, sql: psycopg.Connection, account: int
) -> None:
    page = submit(ada, "/account/members", "/account/members", name="Bob", email="bob@kestrel.example", role="member")
    link = re.search(r'id="invitation">([^<]+)<', page.text)
    assert link is not None
    parts = urlsplit(html.unescape(link[1]))
    bob = join(app, f"{parts.path}?{parts.query}")

    assert "Invite somebody" not in bob.get("/account/members").text
    refused = submit(bob, "/account/members", "/account/members", name="Eve", email="e@e.example", role="admin")
    assert refused.status_code == 403
    assert [one.name for one in list_members(sql, account)] == ["Ada", "Bob"]

    (_, member) = list_members(sql, account)
    assert submit(ada, "/account/members", f"/account/members/{member.id}/disable").status_code == 303
    assert bob.get("/account").status_code == 303


def test_members_of_another_account_cannot_be_reached(app: Flask, ada: FlaskClient, sql: psycopg.Connection) -> None:
    other = add_account(sql, "Other")
    made = invite_member(sql, other, email="eve@other.example", name="Eve", role=MemberRole.ADMIN, by="Grace")
    join(app, f"/account/join?invitation={made.secret}")
    for act in ("disable", "enable"):
        assert submit(ada, "/account/members", f"/account/members/{made.member.id}/{act}").status_code == 404
    role = submit(ada, "/account/members", f"/account/members/{made.member.id}/role", role="member")
    assert role.status_code == 404
    assert list_members(sql, other)[0].role is MemberRole.ADMIN


def test_an_admin_connects_a_mailbox_and_a_calendar(ada: FlaskClient, sql: psycopg.Connection, account: int) -> None:
    mail = {"host": "imap.example.com", "port": "993", "tls": "tls", "username": "ada", "password": "s3cret-word"}
    assert submit(ada, "/account/connect", "/account/connect/imap", **mail).status_code == 303
    calendar = {"url": "https://dav.example.com/", "username": "ada", "password": "s3cret-word"}
    assert submit(ada, "/account/connect", "/account/connect/caldav", **calendar).status_code == 303

    page = ada.get("/account").text
    assert "dav.example.com" in page
    assert "s3cret-word" not in page
    made = sql.execute("SELECT account_id, provider, config FROM connections ORDER BY id").fetchall()
    assert made == [
        (
            account,
            "imap",
            {"host": "imap.example.com", "tls": "tls", "username": "ada", "port": 993, "reach": "public"},
        ),
        (account, "caldav", {"url": "https://dav.example.com/", "username": "ada", "reach": "public"}),
    ]
    assert sql.execute("SELECT count(*) FROM schedules WHERE account_id = %s", (account,)).fetchone() == (3,)


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("imap", {"host": "", "username": "a", "password": "b"}, "The field host"),
        ("imap", {"host": "h", "username": "a", "password": ""}, "no password"),
        ("imap", {"host": "h", "username": "a", "password": "b", "port": "70000"}, "from 1 to 65535"),
        ("imap", {"host": "h", "username": "a", "password": "b", "tls": "none"}, "over TLS"),
        ("caldav", {"url": "dav.example.com", "username": "a", "password": "b"}, "begins with https://"),
        ("imap", {"host": "localhost", "username": "a", "password": "b"}, "not reached from the internet"),
        ("imap", {"host": "169.254.169.254", "username": "a", "password": "b"}, "not reached from the internet"),
        ("imap", {"host": "::ffff:10.0.0.1", "username": "a", "password": "b"}, "not reached from the internet"),
        ("caldav", {"url": "https://127.1/", "username": "a", "password": "b"}, "not reached from the internet"),
        ("caldav", {"url": "http://[::1]:5232/", "username": "a", "password": "b"}, "not reached from the internet"),
    ],
)
def test_what_cannot_be_connected_is_refused(
    ada: FlaskClient, sql: psycopg.Connection, path: str, form: dict[str, str], said: str
) -> None:
    answer = submit(ada, "/account/connect", f"/account/connect/{path}", **form)
    assert (answer.status_code, said in answer.text) == (400, True)
    assert sql.execute("SELECT count(*) FROM connections").fetchone() == (0,)


def test_an_installation_for_a_private_network_lets_its_servers_be_connected(
    database: Database, sql: psycopg.Connection, account: int, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", look_nothing_up)
    app = manager_app(database, secret_key=key, account_servers="any")
    made = invite_member(sql, account, email="ada@kestrel.example", name="Ada", role=MemberRole.ADMIN, by="Grace")
    client = join(app, f"/account/join?invitation={made.secret}")
    mail = {"host": "10.0.0.1", "username": "ada", "password": "s3cret-word"}
    assert submit(client, "/account/connect", "/account/connect/imap", **mail).status_code == 303
    assert sql.execute("SELECT config FROM connections").fetchone() == (
        {"host": "10.0.0.1", "tls": "tls", "username": "ada"},
    )
    app.extensions["test_accounts"].close()


def test_another_password_leaves_a_connection_its_reach(
    ada: FlaskClient, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", look_nothing_up)
    calendar = {"url": "https://dav.example.com/", "username": "ada", "password": "s3cret-word"}
    shown = submit(ada, "/account/connect", "/account/connect/caldav", **calendar).headers["Location"]
    assert submit(ada, shown, f"{shown}/password", password="another-word").status_code == 303
    assert sql.execute("SELECT config ->> 'reach' FROM connections").fetchone() == ("public",)


def look_nothing_up(*_arguments: object, **_options: object) -> None:
    raise AssertionError("the manager looks no name up")


def test_a_connection_of_another_account_takes_no_password(ada: FlaskClient, sql: psycopg.Connection) -> None:
    other = add_account(sql, "Other")
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, 'imap', 'theirs', '{}', 'sealed') RETURNING id",
        (other,),
    ).fetchone()
    assert row is not None
    answer = submit(ada, "/account/members", f"/account/connections/{row[0]}/password", password="mine")
    assert answer.status_code == 404
    assert sql.execute("SELECT credentials FROM connections").fetchone() == (b"sealed",)


def test_where_admins_decide_an_operator_waits_for_them(
    app: Flask, ada: FlaskClient, sql: psycopg.Connection, account: int
) -> None:
    submit(ada, "/account/visits", "/account/visits/policy", policy="approval")
    operator = signed_in(app)
    form = f"/accounts/{account}/assume"
    asked = submit(operator, form, form, reason="Their sync fails.", ticket="https://tickets.example/7")
    assert asked.headers["Location"] == form
    assert "an admin of the account decides" in operator.get(form).text
    assert operator.get("/account").status_code == 303

    page = ada.get("/account/visits").text
    assert "Their sync fails." in page
    assert 'href="https://tickets.example/7"' in page
    (visit,) = list_visits(sql, account_id=account)
    submit(ada, "/account/visits", f"/account/visits/{visit.id}/decide", grant="1")
    begun = submit(operator, form, f"/visits/{visit.id}/begin")
    assert begun.headers["Location"] == "/account"
    assert "as its own people do" in operator.get("/account").text

    submit(ada, "/account/visits", "/account/visits/policy", policy="off")
    assert operator.get("/account").status_code == 303
    assert "do not let anybody" in operator.get(form).text


def test_what_operators_type_is_escaped_for_the_customer(
    app: Flask, ada: FlaskClient, sql: psycopg.Connection, account: int
) -> None:
    form = f"/accounts/{account}/assume"
    submit(signed_in(app), form, form, reason="<script>alert(1)</script> looks")
    page = ada.get("/account/visits").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_what_is_disconnected_goes_with_all_that_came_over_it(
    ada: FlaskClient,
    sql: psycopg.Connection,
    account: int,
    database_url: str,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_servant(sql, job_type="connection.remove")
    made = org_of(sql, account)
    page = f"/account/connections/{made}/disconnect"
    assert submit(ada, page, page).headers["Location"] == "/account"
    assert submit(ada, page, page).status_code == 303, "it is one job"

    ((job, payload),) = sql.execute("SELECT id, payload FROM jobs WHERE state = 'pending'").fetchall()
    assert payload == {"removed": made}
    assert sql.execute("SELECT count(*) FROM records").fetchone() == (1,)
    monkeypatch.setenv("RETINUE_DATABASE_URL", database_url)
    monkeypatch.setenv("RETINUE_SECRET_KEY", key)
    for rows in (1, 0):
        outcome = run(remove, payload)
        assert (outcome.state, outcome.result) == ("completed", {"rows": rows})
    assert sql.execute("SELECT count(*) FROM connections").fetchone() == (0,)
    assert sql.execute("SELECT state FROM jobs WHERE id = %s", (job,)).fetchone() == ("pending",)


def test_a_connection_of_another_account_is_not_disconnected(ada: FlaskClient, sql: psycopg.Connection) -> None:
    made = org_of(sql, add_account(sql, "Other"))
    answer = submit(ada, "/account/members", f"/account/connections/{made}/disconnect")
    assert answer.status_code == 404
    assert sql.execute("SELECT credentials FROM connections").fetchone() == (b"sealed",)


def org_of(sql: psycopg.Connection, account: int) -> int:
    """A connection of the account with a record; its ID."""
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, 'salesforce', 'org', '{}', 'sealed') RETURNING id",
        (account,),
    ).fetchone()
    assert row is not None
    sql.execute(
        "INSERT INTO records"
        " (connection_id, kind, external_id, account_id, version, observed_at, content_hash, payload)"
        " VALUES (%s, 'Lead', '1', %s, 1, now(), 0, '{}')",
        (row[0], account),
    )
    return int(row[0])


@pytest.mark.parametrize(
    ("path", "form", "sentence"),
    [
        ("imap", {"host": "imap.kestrel.example", "username": "ada", "port": "70000"}, "A port is a number"),
        ("imap", {"host": "127.0.0.1", "username": "ada"}, "127.0.0.1 is not reached from the internet"),
        ("caldav", {"url": "ftp://kestrel.example", "username": "ada"}, "begins with https://"),
    ],
)
def test_a_form_that_cannot_be_used_comes_back_as_it_was_filled_in(
    ada: FlaskClient, path: str, form: dict[str, str], sentence: str
) -> None:
    answer = submit(ada, "/account/connect", f"/account/connect/{path}", password="s3cret-word", **form)
    assert (answer.status_code, sentence in answer.text) == (400, True)
    assert all(f'value="{value}"' in answer.text for value in form.values())
    assert "s3cret-word" not in answer.text


def test_an_invitation_that_cannot_be_comes_back_as_it_was_filled_in(ada: FlaskClient) -> None:
    answer = submit(
        ada, "/account/members", "/account/members", name="Ada Two", email="ada@kestrel.example", role="member"
    )
    assert (answer.status_code, "Somebody signs in with this address already." in answer.text) == (409, True)
    assert 'value="Ada Two"' in answer.text
