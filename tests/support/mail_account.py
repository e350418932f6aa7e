"""A customer's mailbox for tests: a user of a real server, and the connection over which `email.sync` follows it."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Unpack

import pytest

from retinue.testing.database import RetinueDatabase
from retinue.testing.inline import Circumstances, run
from retinue.testing.ran import Ran
from servants.email.sync import sync_email
from tests.support.mail_server import LocalMailServer, MailUser
from tests.support.mail_snapshot import differences, done, quoted, remote_snapshot, stored_snapshot

#: An undisturbed sync may be told to come back: by a suspicious emptiness, or because there is much to do.
_ATTEMPTS = 20


def letter(number: int, *, body: str = "Hello.", subject: str | None = None) -> bytes:
    """A small message."""
    return (
        f"From: Ann <ann@example.com>\r\nTo: bo@example.com\r\nSubject: {subject or f'Letter {number}'}\r\n"
        f"Date: Mon, 02 Nov 2026 10:{number % 60:02}:00 +0000\r\nMessage-ID: <{number}@example.com>\r\n\r\n{body}\r\n"
    ).encode()


@dataclass
class MailAccount:
    """One user, one connection. `runs` are the attempts so far."""

    database: RetinueDatabase
    server: LocalMailServer
    user: MailUser
    account_id: int
    connection_id: int
    runs: list[Ran] = field(default_factory=list)

    def attempt(self, *, compare: bool = False, **circumstances: Unpack[Circumstances]) -> Ran:
        """Run the handler once, as a new job unless a checkpoint is given."""
        payload = {"connection_id": self.connection_id, "compare": compare}
        given: Circumstances = {"database": self.database, "account_id": self.account_id, **circumstances}
        self.runs.append(run(sync_email, payload, **given))
        return self.runs[-1]

    def sync(self, *, compare: bool = False) -> dict[str, Any]:
        """Run a job to its end; its result."""
        ran = self.attempt(compare=compare)
        for _ in range(_ATTEMPTS):
            if ran.result is not None:
                return ran.result
            ran = self.attempt(compare=compare, checkpoint=ran.checkpoint)
        raise AssertionError((ran.state, ran.error))

    @property
    def anomalies(self) -> list[str]:
        """The names of those that the last attempt reported."""
        return [anomaly.name for anomaly in self.runs[-1].anomalies]

    @contextmanager
    def hand(self, mailbox: str = "INBOX") -> Iterator[imaplib.IMAP4]:
        """The user's own program with this mailbox open."""
        with self.server.client(self.user) as client:
            done(client.select(quoted(mailbox)))
            yield client

    def append(self, *letters: bytes, mailbox: str = "INBOX", flags: str = "") -> None:
        """Put letters into a mailbox."""
        with self.server.client(self.user) as client:
            for one in letters:
                done(client.append(quoted(mailbox), f"({flags})", "", one))

    def create(self, *mailboxes: str) -> None:
        """Make mailboxes."""
        with self.server.client(self.user) as client:
            for name in mailboxes:
                done(client.create(quoted(name)))

    def uid(self, command: str, *arguments: str, mailbox: str = "INBOX") -> None:
        """Run UID STORE, UID MOVE, UID EXPUNGE … in a mailbox."""
        with self.hand(mailbox) as client:
            done(client.uid(command, *arguments))

    def expunge(self, uids: str, mailbox: str = "INBOX") -> None:
        """Delete messages for good."""
        with self.hand(mailbox) as client:
            done(client.uid("STORE", uids, "+FLAGS.SILENT", "(\\Deleted)"))
            done(client.uid("EXPUNGE", uids))

    def differences(self) -> list[str]:
        """Every way in which the database is not what the server is."""
        with self.server.client(self.user) as client:
            remote = remote_snapshot(client)
        return differences(remote, stored_snapshot(self.database.sql, self.connection_id))

    def scalar(self, query: str) -> Any:
        """The one value of the one row."""
        row = self.database.sql.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def mail_account(
    database: RetinueDatabase, server: LocalMailServer, *, user: MailUser | None = None, port: int | None = None
) -> MailAccount:
    """A new account whose import is over, so that `email.sync` follows everything by itself."""
    user = user or server.user()
    account_id = database.account(user.name)
    config = {"host": server.host, "port": port or server.port, "username": user.name, "tls": "none"}
    connection_id = database.connection(account_id, "imap", config=config, credentials={"password": user.password})
    database.sql.execute(
        "INSERT INTO imports (connection_id, account_id, kind, recent_at, finished_at)"
        " VALUES (%s, %s, 'email', now(), now())",
        (connection_id, account_id),
    )
    return MailAccount(database, server, user, account_id, connection_id)


@pytest.fixture
def account(retinue_database: RetinueDatabase, dovecot: LocalMailServer) -> MailAccount:
    """An account of a user of the file's server."""
    return mail_account(retinue_database, dovecot)
