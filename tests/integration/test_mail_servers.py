"""The real mail servers that other tests stand on do what these suppose of them."""

from __future__ import annotations

import imaplib
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.support.bad_imap_server import CUT_OFF, HUGE_LITERAL, WRONG_PASSWORD, bad_imap_server, server_context
from tests.support.certificates import Kind, issue
from tests.support.cyrus_server import run_cyrus
from tests.support.dovecot_server import CONDSTORE, PLAIN, MailServer, dovecot, run_dovecot

__all__ = ["dovecot"]

MESSAGE = b"From: ada@example.org\r\nSubject: Lunch\r\n\r\nAt noon?\r\n"


def xoauth2(user: str, token: str) -> bytes:
    return f"user={user}\1auth=Bearer {token}\1\1".encode()


def test_users_sign_in_with_their_password_and_have_their_own_mail(dovecot: MailServer) -> None:
    first, second = dovecot.user(), dovecot.user()
    with dovecot.client(first) as client:
        assert client.append("INBOX", "", "", MESSAGE)[0] == "OK"
    with dovecot.client(second) as client:
        assert client.select("INBOX") == ("OK", [b"0"])
        assert {"QRESYNC", "CONDSTORE", "LIST-STATUS"} <= set(capabilities(client))


def test_a_wrong_password_is_refused_at_once(dovecot: MailServer) -> None:
    user = dovecot.user()
    refused = pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED")
    with imaplib.IMAP4(dovecot.host, dovecot.port) as client, refused:
        client.login(user.name, "something else")


def test_tls_from_the_start_and_by_starttls(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.tls_client(user) as client:
        assert client.noop()[0] == "OK"
    with imaplib.IMAP4(dovecot.host, dovecot.port) as plain:
        plain.starttls(ssl.create_default_context(cafile=dovecot.ca_file))
        plain.login(user.name, user.password)


@pytest.mark.parametrize(("kind", "complaint"), [("expired", "expired"), ("other-name", "not valid for")])
def test_a_bad_certificate(kind: Kind, complaint: str) -> None:
    refused = pytest.raises(ssl.SSLCertVerificationError, match=complaint)
    with run_dovecot(certificate=kind) as server, refused, server.tls_client(server.user()):
        pass


def test_an_access_token_signs_in_until_it_is_revoked(dovecot: MailServer) -> None:
    user = dovecot.user()
    token = dovecot.token(user)
    with imaplib.IMAP4(dovecot.host, dovecot.port) as client:
        assert client.authenticate("XOAUTH2", lambda _: xoauth2(user.name, token))[0] == "OK"
    dovecot.oauth.revoke(user.name)
    with imaplib.IMAP4(dovecot.host, dovecot.port) as client, pytest.raises(imaplib.IMAP4.error):
        client.authenticate("XOAUTH2", lambda _: xoauth2(user.name, token))


@pytest.mark.parametrize("capability", [CONDSTORE, PLAIN])
def test_a_server_that_says_it_can_do_less(capability: str) -> None:
    with run_dovecot(capability=capability) as server, server.client(server.user()) as client:
        assert capabilities(client) == capability.split()


def test_uid_validity_can_be_changed_under_the_same_uids(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        for _ in range(3):
            client.append("INBOX", "", "", MESSAGE)
    dovecot.change_uid_validity(user, "INBOX", 77)
    with dovecot.client(user) as client:
        client.select("INBOX")
        assert client.response("UIDVALIDITY")[1] == [b"77"]
        assert client.uid("SEARCH", "ALL")[1] == [b"1 2 3"]


def test_mail_outlives_a_restart(dovecot: MailServer) -> None:
    user = dovecot.user()
    with dovecot.client(user) as client:
        client.append("INBOX", "", "", MESSAGE)
    dovecot.restart()
    with dovecot.client(user) as client:
        assert client.select("INBOX") == ("OK", [b"1"])


def test_cyrus_signs_users_in_and_keeps_their_mail() -> None:
    with run_cyrus() as server:
        first, second = server.user(), server.user()
        with server.client(first) as client:
            assert client.append("INBOX", "(\\Seen)", "", MESSAGE)[0] == "OK"
            assert {"QRESYNC", "CONDSTORE", "OBJECTID", "MOVE"} <= set(capabilities(client))
        server.restart()
        with server.tls_client(first) as client:
            assert client.select("INBOX") == ("OK", [b"1"])
        with server.client(second) as client:
            assert client.select("INBOX") == ("OK", [b"0"])


def test_imap_over_a_pipe(dovecot: MailServer) -> None:
    command = dovecot.preauth_command(dovecot.user())
    done = subprocess.run(  # noqa: S603 - Debian's own program
        command, input=b"a LOGOUT\r\n", capture_output=True, check=True, timeout=10
    )
    assert done.stdout.startswith(b"* PREAUTH"), done.stderr


def capabilities(client: imaplib.IMAP4) -> list[str]:
    text: bytes = client.capability()[1][-1]
    return text.decode().split()


def test_the_bad_server_is_polite_where_it_is_told_nothing(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    tls = server_context(issued.chain, issued.key)
    with bad_imap_server(tls=tls, capability="IMAP4rev1 STARTTLS") as server:
        with imaplib.IMAP4(server.host, server.port, timeout=5) as client:
            client.starttls(ssl.create_default_context(cafile=issued.ca_file))
            client.login("ada", "secret")
            assert client.select("INBOX", readonly=True) == ("OK", [b"3"])
            assert client.uid("SEARCH", "ALL") == ("OK", [b"1 2 3"])
            fetched = client.uid("FETCH", "2:*", "(FLAGS BODY.PEEK[HEADER])")[1]
        assert b"Subject: Letter 3" in fetched[2][1]
        assert server.names[-2:] == ["UID FETCH", "LOGOUT"]


def test_the_bad_server_misbehaves_in_turn() -> None:
    with bad_imap_server({"LOGIN": [WRONG_PASSWORD], "UID FETCH": CUT_OFF}) as server:
        client = imaplib.IMAP4(server.host, server.port, timeout=5)
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.login("ada", "secret")
        client.login("ada", "secret")
        client.select("INBOX")
        with pytest.raises(imaplib.IMAP4.abort):
            client.uid("FETCH", "1", "(BODY.PEEK[])")
        client.shutdown()


def test_the_bad_server_goes_on_for_ever_with_a_huge_literal() -> None:
    with bad_imap_server({"NOOP": HUGE_LITERAL}) as server:
        with socket.create_connection((server.host, server.port), timeout=5) as client:
            client.sendall(b"a NOOP\r\n")
            taken = 0
            while taken < 1_000_000:
                taken += len(client.recv(65_536))
        assert server.sent > 500_000
