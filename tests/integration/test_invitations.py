"""Invitations by letter: from the pages and the command line, through a real mail server, to a password."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from infra.outgoing_mail import MailNotSent, send
from infra.passwords import hash_password
from infra.postgres.connect import Database
from infra.postgres.members import invite_member, join_member
from infra.principal import MemberRole
from infra.settings import Settings
from tests.support.certificates import Certificate, issue
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import add_account
from tests.support.letterbox import Letterbox, Security, letterbox
from tests.support.manager_server import form_token, manager_app, manager_settings, signed_in
from tests.support.postgres import free_port
from tests.support.principals import enter, member
from tests.support.race import wait_until

__all__ = ["bare_environment", "retinue"]

BOB = "bob@kestrel.example"
FROM = "Retinue <retinue@example.com>"
MANAGER = "https://retinue.example.com"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def box() -> Iterator[Letterbox]:
    with letterbox() as running:
        yield running


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql, "Kestrel")


@pytest.fixture
def app(database: Database, box: Letterbox) -> Iterator[Flask]:
    made = manager_app(database, smtp_url=f"smtp://127.0.0.1:{box.port}", mail_from=FROM, manager_url=MANAGER)
    yield made
    made.extensions["test_accounts"].close()


def settings(url: str) -> Settings:
    return manager_settings(smtp_url=url, mail_from=FROM, manager_url=MANAGER)


def admin(app: Flask, sql: psycopg.Connection, account: int) -> FlaskClient:
    return enter(app.test_client(), member(sql, account, MemberRole.ADMIN))


def invite(client: FlaskClient, path: str = "/account/members", email: str = BOB) -> TestResponse:
    form = {"name": "Bob", "email": email, "role": "member", "csrf_token": form_token(client)}
    return client.post(path, data=form)


def link_in(box: Letterbox) -> str:
    found = re.search(r"https://\S+", box.letters[-1].get_content())
    assert found is not None
    return found[0]


def test_a_letter_lets_somebody_in(app: Flask, sql: psycopg.Connection, account: int, box: Letterbox) -> None:
    page = invite(admin(app, sql, account)).text
    assert f'A letter to <span class="strong anywhere">{BOB}</span>' in page
    assert "invitation=" not in page
    (letter,) = box.letters
    assert (letter["To"], letter["From"], letter["Auto-Submitted"]) == (BOB, FROM, "auto-generated")
    assert letter["Subject"] == "You are invited to Kestrel"
    assert "Ada has invited you to Kestrel" in letter.get_content()
    assert link_in(box).startswith(f"{MANAGER}/account/join?invitation=")

    client = app.test_client()
    invitation = link_in(box).partition("invitation=")[2]
    client.get(f"/account/join?invitation={invitation}")
    form = {"invitation": invitation, "password": "correct horse battery", "csrf_token": form_token(client)}
    assert client.post("/account/join", data=form).headers["Location"] == "/account"


def test_admins_of_the_installation_invite_by_letter_too(app: Flask, account: int, box: Letterbox) -> None:
    page = invite(signed_in(app), f"/accounts/{account}/members").text
    assert "says how to come in" in page
    assert box.letters[0]["To"] == BOB


def test_where_the_server_refuses_the_link_is_shown_and_works(
    app: Flask, sql: psycopg.Connection, account: int, box: Letterbox
) -> None:
    box.refusal = "550 5.1.1 no such user here"
    with capture_logs() as logged:
        page = invite(admin(app, sql, account)).text
    (line,) = [line for line in logged if line["event"] == "invitation_not_sent"]
    assert line["error"].endswith("550 5.1.1 no such user here")
    assert BOB not in str(logged), "logs outlast an account"
    assert f"The mail server does not take letters for {BOB}: 550 5.1.1 no such user here" in page
    found = re.search(r'id="invitation">https://retinue\.example\.com(/account/join\?invitation=[^<]+)<', page)
    assert found is not None
    assert app.test_client().get(found[1]).status_code == 200


def test_nobodys_mailbox_is_filled(app: Flask, sql: psycopg.Connection, account: int, box: Letterbox) -> None:
    client = admin(app, sql, account)
    statuses = [invite(client, email=address).status_code for address in (BOB, BOB.upper(), BOB, BOB, "c@d.example")]
    assert statuses == [200, 200, 200, 429, 200]
    assert len(box.letters) == 4


def joined(sql: psycopg.Connection, account: int) -> None:
    """Bob, who signs in with the password `PASSWORD`."""
    made = invite_member(sql, account, email=BOB, name="Bob", role=MemberRole.MEMBER, by="Ada")
    join_member(sql, made.secret, password_hash=hash_password(PASSWORD, name=BOB))


def sign_in(client: FlaskClient, password: str) -> int:
    form = {"email": BOB, "password": password, "csrf_token": form_token(client)}
    return client.post("/account/sign-in", data=form).status_code


def choose(client: FlaskClient, link: str, password: str) -> int:
    invitation = link.partition("invitation=")[2]
    form = {"invitation": invitation, "password": password, "csrf_token": form_token(client)}
    return client.post("/account/join", data=form).status_code


def test_whoever_forgot_the_password_chooses_another_and_is_signed_out_elsewhere(
    app: Flask, sql: psycopg.Connection, account: int, box: Letterbox
) -> None:
    joined(sql, account)
    elsewhere, client = app.test_client(), app.test_client()
    assert sign_in(elsewhere, PASSWORD) == 303
    assert "/account/forgotten" in client.get("/account/sign-in").text
    answer = client.post("/account/forgotten", data={"email": f" {BOB} ", "csrf_token": form_token(client)})
    assert "a letter is on its way" in answer.text
    wait_until(lambda: len(box.letters) == 1, "no letter came")
    assert (box.letters[0]["To"], box.letters[0]["Subject"]) == (BOB, "A new password for Kestrel")
    assert "for 1 day." in box.letters[0].get_content()
    assert elsewhere.get("/account").status_code == 200

    assert "Choose a new password" in client.get(link_in(box).removeprefix(MANAGER)).text
    assert choose(client, link_in(box), "another battery horse") == 303
    assert elsewhere.get("/account").status_code == 303
    assert sign_in(app.test_client(), PASSWORD) == 401
    assert sign_in(app.test_client(), "another battery horse") == 303
    assert choose(app.test_client(), link_in(box), "a third battery horse") == 410
    noted = sql.execute("SELECT action FROM operator_actions WHERE action LIKE 'member.%' ORDER BY id").fetchall()
    assert [action for (action,) in noted[:4]] == [
        "member.sign_in",
        "member.forgot",
        "member.password",
        "member.sign_in",
    ]


def test_nobody_learns_who_has_an_address_and_nobody_is_let_in_who_may_not(
    app: Flask, sql: psycopg.Connection, account: int, box: Letterbox
) -> None:
    joined(sql, account)
    sql.execute("UPDATE members SET disabled_at = now()")
    invite_member(sql, account, email="invited@kestrel.example", name="Cy", role=MemberRole.MEMBER, by="Ada")
    client = app.test_client()

    def asked(email: str) -> str:
        page = client.post("/account/forgotten", data={"email": email, "csrf_token": form_token(client)}).text
        return re.sub(r"<[^>]*>", "", page)

    assert len({asked(email) for email in (BOB, "invited@kestrel.example", "nobody@kestrel.example")}) == 1
    sql.execute("UPDATE members SET disabled_at = NULL")
    client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    asked(BOB)
    # They are sent one after the other: once this one is here, none will come of those before.
    wait_until(lambda: len(box.letters) >= 1, "no letter came")
    assert [letter["To"] for letter in box.letters] == [BOB]


def test_letters_are_not_sent_without_end(app: Flask, sql: psycopg.Connection, account: int, box: Letterbox) -> None:
    joined(sql, account)
    client = app.test_client()
    form = {"email": BOB, "csrf_token": form_token(client)}
    assert [client.post("/account/forgotten", data=form).status_code for _ in range(5)] == [200, 200, 200, 429, 429]


def test_an_admin_gives_somebody_a_new_link(app: Flask, sql: psycopg.Connection, account: int, box: Letterbox) -> None:
    joined(sql, account)
    client = admin(app, sql, account)
    ((bob,),) = sql.execute("SELECT id FROM members WHERE email = %s", (BOB,)).fetchall()
    assert f"/account/members/{bob}/link" in client.get("/account/members").text
    answer = client.post(f"/account/members/{bob}/link", data={"csrf_token": form_token(client)})
    assert "says how to choose a new password" in answer.text
    assert choose(app.test_client(), link_in(box), "another battery horse") == 303
    other = admin(app, sql, add_account(sql, "Marlowe"))
    assert other.post(f"/account/members/{bob}/link", data={"csrf_token": form_token(other)}).status_code == 404


def test_without_a_server_the_link_is_shown(database: Database, sql: psycopg.Connection, account: int) -> None:
    app = manager_app(database)
    assert 'id="invitation"' in invite(admin(app, sql, account)).text
    assert "/account/forgotten" not in app.test_client().get("/account/sign-in").text
    assert app.test_client().get("/account/forgotten").status_code == 404
    app.extensions["test_accounts"].close()


@pytest.mark.parametrize(("security", "scheme"), [("starttls", "smtp"), ("tls", "smtps")])
def test_a_sign_in_over_tls(
    security: Security, scheme: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.ca_file))
    with letterbox(security, certificate) as box:
        box.users["retinue@example.com"] = "p@ss/word"
        send(settings(f"{scheme}://retinue%40example.com:p%40ss%2Fword@localhost:{box.port}"), **LETTER)
        assert box.secure == [True]
        with pytest.raises(MailNotSent, match=r"refuses the sign-in \(535\): mend RETINUE_SMTP_URL") as raised:
            send(settings(f"{scheme}://retinue%40example.com:wr0ng@localhost:{box.port}"), **LETTER)
        assert "wr0ng" not in raised.value.message


LETTER = {"to": BOB, "subject": "Hello", "text": "Hello\n"}


@pytest.mark.parametrize(("security", "scheme"), [("starttls", "smtp"), ("tls", "smtps")])
def test_a_server_that_nobody_vouches_for_gets_nothing(
    security: Security, scheme: str, certificate: Certificate
) -> None:
    with letterbox(security, certificate) as box, pytest.raises(MailNotSent, match="certificate verify failed"):
        send(settings(f"{scheme}://127.0.0.1:{box.port}"), **LETTER)
    assert box.letters == []


def test_elsewhere_nothing_goes_in_the_clear(box: Letterbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to this machine, but is not known to."""
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: real("127.0.0.1", *more, **named))
    with pytest.raises(MailNotSent, match="STARTTLS extension not supported"):
        send(settings(f"smtp://user:secret@mail.example.com:{box.port}"), **LETTER)
    assert box.letters == []


def test_a_server_that_is_away() -> None:
    with pytest.raises(MailNotSent, match=r"The mail server 127\.0\.0\.1 could not be asked: .*refused"):
        send(settings(f"smtp://127.0.0.1:{free_port()}"), **LETTER)


def test_the_command_line_sends_on_demand(
    retinue: CommandLine, sql: psycopg.Connection, account: int, box: Letterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("members", "invite", "Kestrel", "--email", BOB, "--name", "Bob")
    said = retinue.refusal(*command, "--mail", exit_code=2)
    assert "There is no mail server: set RETINUE_SMTP_URL" in said

    for name, value in (("SMTP_URL", f"smtp://127.0.0.1:{box.port}"), ("MAIL_FROM", FROM), ("MANAGER_URL", MANAGER)):
        monkeypatch.setenv(f"RETINUE_{name}", value)
    said = retinue.run(*command, "--mail").stdout
    assert f"A letter to {BOB} says how to come in." in said
    assert "invitation=" not in said
    assert "invitation=" in link_in(box)
    assert f"{MANAGER}/account/join?invitation=" in retinue.run(*command).stdout
    box.refusal = "451 try again later"
    assert "451 try again later" in retinue.refusal(*command, "--mail", exit_code=1)
