"""Letters in the mailboxes of real servers, and sessions that read them."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from servants.email.imap.session import ImapSession
from servants.email.sign_in import SignIn, Tls
from servants.email.values import UidSet
from tests.support.mail_server import LocalMailServer, MailUser

RECEIVED = datetime(2026, 11, 2, 9, 30, 5, tzinfo=UTC)


def sign_in(server: LocalMailServer, user: MailUser, **settings: Any) -> SignIn:
    options = {"password": user.password, "tls": Tls.NONE, "port": server.port, **settings}
    return SignIn(server.host, user.name, **options)


@contextmanager
def session(server: LocalMailServer, user: MailUser, **options: Any) -> Iterator[ImapSession]:
    with ImapSession.open(sign_in(server, user), **options) as opened:
        yield opened


def letter(number: int, *, size: int = 0) -> bytes:
    text = b"From: ada@example.org\r\nSubject: Letter %d\r\n\r\n" % number
    return text + b"All work and no play makes Jack a dull boy, says the proverb.\r\n" * (1 + size // 64)


def fill(client: imaplib.IMAP4, mailbox: str, letters: list[bytes], flags: str = "") -> None:
    for text in letters:
        assert client.append(mailbox, flags, RECEIVED, text)[0] == "OK"


def expunge(client: imaplib.IMAP4, mailbox: str, uids: str) -> None:
    client.select(mailbox)
    client.uid("STORE", uids, "+FLAGS", "(\\Deleted)")
    client.expunge()


def contents(opened: ImapSession, uids: UidSet | None = None) -> dict[int, bytes]:
    """Every message of the open mailbox."""
    uids = opened.uids() if uids is None else uids
    sizes = {line.uid: line.size for line in opened.headers(uids)}
    found = {}
    for message in opened.messages(uids, sizes=sizes):
        with message.body:
            found[message.uid] = message.body.read()
    return found
