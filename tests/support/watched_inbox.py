"""An INBOX on a real server, its connection, and what `email.watch` makes of its news."""

from __future__ import annotations

import imaplib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from infra.postgres.connections import NewConnection, add_connection
from tests.support.dovecot_server import MailServer
from tests.support.mail_server import MailUser
from tests.support.runtime import House

MAIL = b"From: a@example.com\r\nSubject: News\r\n\r\nHello.\r\n"
WATCH, SYNC = "email.watch", "email.sync"

_SYNCS = "SELECT id, payload, priority, account_id FROM jobs WHERE type = 'email.sync' AND id > %s ORDER BY id"

_POSITION = """
INSERT INTO mailboxes (account_id, connection_id, name, uid_validity, uid_next, messages, synced_at)
VALUES (%s, %s, 'INBOX', %s, %s, %s, now())
"""


@dataclass
class Inbox:
    """A user's INBOX, the connection to it, and what its watch makes."""

    house: House
    server: MailServer
    user: MailUser
    client: imaplib.IMAP4
    account_id: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def connect(self, *, port: int = 0, credentials: dict[str, str] | None = None) -> int:
        """A connection; its ID."""
        config = {"host": self.server.host, "port": port or self.server.port, "username": self.user.name, "tls": "none"}
        new = NewConnection(
            account_id=self.account_id,
            provider="imap",
            name=f"mailbox {next(self._numbers)}",
            config=config,
            credentials=credentials or {"password": self.user.password},
        )
        with self.house.sql.transaction():
            connection_id = add_connection(self.house.sql, self.house.keyring, new)
            self.store_position(connection_id)
        return connection_id

    def store_position(self, connection_id: int) -> None:
        """Have INBOX stored as it is now."""
        self.client.select("INBOX", readonly=True)
        numbers = [int(self.client.response(code)[1][0]) for code in ("UIDVALIDITY", "UIDNEXT", "EXISTS")]
        self.house.sql.execute("DELETE FROM mailboxes WHERE connection_id = %s", (connection_id,))
        self.house.sql.execute(_POSITION, (self.account_id, connection_id, *numbers))
        self.client.unselect()

    def watch(self, connection_id: int) -> int:
        """The job of a watch, dispatched."""
        payload = {"connection_id": connection_id}
        lane = f"connection_id:{connection_id}"
        (job,) = self.house.add(payload, job_type=WATCH, account_id=self.account_id, lane=lane)
        self.house.dispatch()
        return job

    def deliver(self) -> None:
        """A new mail."""
        self.client.append("INBOX", "", "", MAIL)

    def syncs(self, after: int = 0) -> list[tuple[Any, ...]]:
        """The syncs that wait or run."""
        return self.house.sql.execute(_SYNCS, (after,)).fetchall()

    def await_sync(self, after: int = 0) -> int:
        """The first sync beyond this one, once it is there."""
        self.house.wait_for("EXISTS (SELECT FROM jobs WHERE type = 'email.sync' AND id > %s)", after)
        return int(self.syncs(after)[0][0])
