"""`probe` of a mailbox: each thing that can be wrong is found at its own step, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retinue.connection import Connection
from servants.email.imap.limits import Limits
from servants.email.probe import probe
from servants.email.providers import advice_for
from servants.probing import ProbeReport, ProbeStep
from tests.support.bad_imap_server import (
    CUT_OFF,
    GARBAGE,
    GREETING,
    HANG_UP,
    OVER_QUOTA,
    SILENCE,
    THROTTLED,
    TOO_MANY_CONNECTIONS,
    UNAVAILABLE,
    WRONG_PASSWORD,
    Answer,
    Reply,
    bad_imap_server,
    server_context,
)
from tests.support.certificates import Kind, issue
from tests.support.dovecot_server import MailServer, MailUser, run_dovecot
from tests.support.radicale_server import free_port

STEPS = ["settings", "name", "network", "encryption", "sign-in", "folders", "permissions"]
ACL = """
mail_plugins = $mail_plugins acl
protocol imap {
  mail_plugins = $mail_plugins imap_acl
}
plugin {
  acl = vfile
}
"""
MESSAGE = b"From: ada@example.org\r\nSubject: Lunch\r\n\r\nAt noon?\r\n"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[MailServer]:
    with run_dovecot(settings=ACL) as server:
        yield server


def mailbox(credentials: Mapping[str, str] | None = None, **config: Any) -> Connection:
    settings = {"host": "127.0.0.1", "username": "ada", "tls": "none"} | config
    return Connection(7, 1, "imap", "mail", settings, credentials or {"password": "secret-word"})


def of(server: MailServer, user: MailUser, credentials: Mapping[str, str] | None = None, **config: Any) -> Connection:
    given = {"port": server.port, "username": user.name} | config
    return mailbox(credentials or {"password": user.password}, **given)


def tried(connection: Connection, *, patience: float = 10) -> ProbeReport:
    report = probe(connection, limits=Limits(connect_seconds=patience, read_seconds=patience, reply_seconds=patience))
    assert [step.name for step in report.steps] == STEPS[: len(report.steps)]
    assert not [secret for secret in connection.credentials.values() if len(secret) > 9 and secret in repr(report)]
    return report


def failed_step(report: ProbeReport) -> ProbeStep:
    assert not report.ok
    assert all(step.ok for step in report.steps[:-1])
    return report.steps[-1]


@pytest.mark.parametrize("mode", ["tls", "starttls", "none"])
def test_a_good_mailbox_passes_every_step(dovecot: MailServer, mode: str) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        client.append("INBOX", "", "", MESSAGE)
        client.create("Travel")
    port = dovecot.tls_port if mode == "tls" else dovecot.port
    report = tried(of(dovecot, user, tls=mode, port=port, ca_file=str(dovecot.ca_file)))
    assert report.ok, report
    assert [step.name for step in report.steps] == STEPS
    said = {step.name: step.message for step in report.steps}
    assert said["sign-in"] == f"The server accepts {user.name}."
    assert said["folders"] == "Found 2: INBOX, Travel."
    assert said["permissions"] == "INBOX can be read and holds 1."
    assert said["encryption"].startswith("Not encrypted" if mode == "none" else "Encrypted with TLSv1.")


def test_a_wrong_password(dovecot: MailServer) -> None:
    step = failed_step(tried(of(dovecot, dovecot.user(), {"password": "not-this-one"})))
    assert step.name == "sign-in"
    assert "the sign-in was refused. Check the user name and password" in step.message


def test_a_mailbox_that_may_be_seen_but_not_read(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        client.create("Private")
        client.setacl("Private", "owner", "la")
    report = tried(of(dovecot, user))
    assert report.ok
    assert report.steps[-1].message.endswith("NOT READABLE for this user, and left out: Private.")


def test_tokens_that_are_good_renewed_and_withdrawn(dovecot: MailServer) -> None:
    user = dovecot.user()
    tokens = {
        "access_token": dovecot.token(user),
        "refresh_token": dovecot.oauth.refresh_token(user.name),
        "token_url": dovecot.oauth.token_url,
        "client_id": "retinue",
    }
    assert tried(of(dovecot, user, tokens)).ok
    dovecot.oauth.revoke(user.name)
    assert tried(of(dovecot, user, tokens)).ok, "it was renewed after it was refused"
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert tried(of(dovecot, user, tokens | {"expires_at": past})).ok, "it was renewed before it was used"

    withdrawn = tried(of(dovecot, user, tokens | {"expires_at": past, "refresh_token": "worthless-token"}))
    assert failed_step(withdrawn).name == "sign-in"
    assert "no longer lets Retinue in (status 400, invalid_grant)" in failed_step(withdrawn).message

    alone = tried(of(dovecot, user, {"access_token": "worthless-token"}))
    assert "there is no refresh token to renew it with" in failed_step(alone).message

    other = tried(of(dovecot, dovecot.user(), tokens))
    assert "The access token was refused" in failed_step(other).message, "a good token of somebody else"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", r"(certificate has expired); its owner has to renew it."),
        ("not-yet-valid", "(certificate is not yet valid); it was installed too early, or the clock"),
        ("other-name", "certificate is not valid for '127.0.0.1'); connect by a name that it was made out to"),
        ("self-signed", "(self-signed certificate); its owner has to install one that a known authority"),
    ],
)
@pytest.mark.parametrize("mode", ["tls", "starttls"])
def test_bad_certificates(tmp_path: Path, kind: Kind, words: str, mode: str) -> None:
    issued = issue(tmp_path, kind)
    capability = "IMAP4rev1 STARTTLS" if mode == "starttls" else "IMAP4rev1"
    with bad_imap_server(tls=server_context(issued.chain, issued.key), capability=capability) as server:
        step = failed_step(tried(mailbox(port=server.port, tls=mode, ca_file=str(issued.ca_file))))
    assert step.name == "encryption"
    assert step.message.startswith("The certificate of 127.0.0.1 is not trusted (")
    assert words in step.message
    assert "LOGIN" not in server.names


def test_an_authority_that_this_machine_does_not_know(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    with bad_imap_server(tls=server_context(issued.chain, issued.key)) as server:
        step = failed_step(tried(mailbox(port=server.port, tls="tls")))
    assert "(unable to get local issuer certificate); its owner has to install the whole chain" in step.message


def test_tls_on_the_wrong_port(dovecot: MailServer) -> None:
    user = dovecot.user()
    plain = failed_step(tried(of(dovecot, user, tls="tls")))
    assert (
        plain.name,
        "Then set tls to 'starttls': `retinue connections set ID --tls starttls`." in plain.message,
    ) == ("encryption", True)
    encrypted = failed_step(tried(of(dovecot, user, tls="starttls", port=dovecot.tls_port), patience=0.5))
    assert (encrypted.name, "set tls to 'tls'" in encrypted.message) == ("encryption", True)


def test_a_server_without_starttls() -> None:
    with bad_imap_server() as server:
        step = failed_step(tried(mailbox(port=server.port, tls="starttls")))
    assert (step.name, "does not offer STARTTLS" in step.message) == ("encryption", True)


@pytest.mark.parametrize(
    ("connection", "name", "words"),
    [
        (mailbox(host="https://mail.example/"), "settings", "is no host name"),
        (mailbox(host="mail.example"), "settings", "allowed on this machine alone"),
        (mailbox(host=""), "settings", "has no host"),
        (mailbox(tls="ssl"), "settings", "expected one of 'tls', 'starttls', 'none'"),
        (mailbox(port=0), "settings", "expected a number from 1 to 65535"),
        (mailbox({"password": ""}), "settings", "has no password"),
        (mailbox({"refresh_token": "worthless-token"}), "settings", "has no token_url and no client_id"),
        (replace(mailbox(), provider="caldav"), "settings", "is for 'caldav'"),
        (mailbox(host="nowhere.invalid", tls="tls"), "name", "cannot be resolved"),
        (mailbox(port=free_port()), "network", "does not accept connections on port"),
    ],
)
def test_settings_that_lead_nowhere(connection: Connection, name: str, words: str) -> None:
    step = failed_step(tried(connection))
    assert (step.name, words in step.message) == (name, True), step


@pytest.mark.parametrize(
    ("script", "name", "words"),
    [
        ({"LOGIN": WRONG_PASSWORD}, "sign-in", "many providers want an app password"),
        ({"LOGIN": Reply(b"<tag> NO [AUTHORIZATIONFAILED] no\r\n")}, "sign-in", "may not use IMAP"),
        ({"LOGIN": OVER_QUOTA}, "sign-in", "wants no more until"),
        ({"LOGIN": THROTTLED}, "sign-in", "wants no more until"),
        ({"LOGIN": UNAVAILABLE}, "sign-in", "cannot do it for the moment"),
        ({"LOGIN": HANG_UP}, "sign-in", "closed the connection"),
        ({"LOGIN": SILENCE}, "sign-in", "within the time allowed"),
        ({GREETING: GARBAGE}, "sign-in", "an IMAP server?"),
        ({GREETING: TOO_MANY_CONNECTIONS}, "sign-in", "wants no more until"),
        ({"LIST": Reply(b"<tag> OK Done\r\n")}, "folders", "shows this user no mailboxes"),
        ({"LIST": CUT_OFF}, "folders", "closed the connection"),
        ({"EXAMINE": Reply(b"<tag> NO [NOPERM] no\r\n")}, "permissions", "Give the user the right to read INBOX"),
        ({"EXAMINE": Reply(b"<tag> NO [NONEXISTENT] no\r\n")}, "permissions", "there is no such mailbox"),
        ({"MYRIGHTS": Reply(b'* MYRIGHTS "INBOX" l\r\n<tag> OK Done\r\n')}, "permissions", "the rights l and r"),
        ({"MYRIGHTS": Reply(b"<tag> NO no\r\n")}, "permissions", "the rights l and r"),
    ],
)
def test_servers_that_are_no_good(script: Mapping[str, Answer], name: str, words: str) -> None:
    with bad_imap_server(script, capability="IMAP4rev1 ACL") as server:
        step = failed_step(tried(mailbox(port=server.port), patience=1.5))
    assert (step.name, words in step.message) == (name, True), step


def test_a_server_that_takes_no_passwords() -> None:
    with bad_imap_server(capability="IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2") as server:
        step = failed_step(tried(mailbox(port=server.port)))
    assert (step.name, "takes no passwords; sign in with an access token" in step.message) == ("sign-in", True)
    assert "LOGIN" not in server.names


def test_a_server_that_takes_no_tokens() -> None:
    with bad_imap_server() as server:
        step = failed_step(tried(mailbox({"access_token": "worthless-token"}, port=server.port)))
    assert (step.name, "takes no access tokens (XOAUTH2)" in step.message) == ("sign-in", True)


@pytest.mark.parametrize(
    ("host", "password", "token"),
    [
        ("imap.gmail.com", "app password", "https://mail.google.com/"),
        ("IMAP.Gmail.com.", "app password", "https://mail.google.com/"),
        ("outlook.office365.com", "no passwords", "IMAP.AccessAsUser.All"),
        ("imap.mail.me.com", "app-specific password", ""),
        ("imap.mail.yahoo.com", "app password", ""),
        ("mail.example", "", ""),
    ],
)
def test_what_large_providers_want_is_told(host: str, password: str, token: str) -> None:
    for words, advice in ((password, advice_for(host, oauth=False)), (token, advice_for(host, oauth=True))):
        assert words in advice
        assert bool(advice) == bool(words)


def test_the_advice_goes_with_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servants.email.probe.advice_for", lambda host, *, oauth: f"Ask {host}.")
    with bad_imap_server({"LOGIN": WRONG_PASSWORD}) as server:
        step = failed_step(tried(mailbox(port=server.port)))
    assert step.message.endswith(" Ask 127.0.0.1.")
