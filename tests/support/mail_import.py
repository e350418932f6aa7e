"""A mailbox of a real server, filled with mail of chosen ages, and its connection in a test's database."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from infra.postgres.imports import Import, imports_of
from retinue.servant import ServantType
from retinue.testing import Drained, Ran, RetinueDatabase, drain, run
from scheduler.rescue import Rescue
from servants.email.backfill import backfill
from servants.email.sync import sync_email
from tests.support.mail_server import LocalMailServer, MailUser
from tests.support.mail_snapshot import differences, remote_snapshot, stored_snapshot

OLD = timedelta(days=400)
RECENT = timedelta(days=3)

_PLACED = """
SELECT mailboxes.name, count(placements.uid)
FROM mailboxes LEFT JOIN placements ON placements.mailbox_id = mailboxes.id
WHERE mailboxes.connection_id = %s AND mailboxes.deleted_at IS NULL
GROUP BY mailboxes.name
"""

_CHUNKS = "SELECT payload FROM jobs WHERE type = 'email.backfill' ORDER BY id"


@dataclass
class Customer:
    """A user with a connection that was made a moment ago."""

    database: RetinueDatabase
    server: LocalMailServer
    user: MailUser
    client: imaplib.IMAP4
    connection_id: int
    _numbers: Iterator[int] = field(default_factory=count)

    def deliver(self, mailbox: str, *ages: timedelta) -> None:
        """Put a message of each age into a mailbox, the first one first."""
        for age in ages:
            number = next(self._numbers)
            text = f"From: ann@example.com\r\nMessage-ID: <{number}@host>\r\nSubject: No. {number}\r\n\r\nHello.\r\n"
            when = imaplib.Time2Internaldate(datetime.now(UTC) - age)
            assert self.client.append(mailbox, "", when, text.encode())[0] == "OK"

    def sync(self) -> Ran:
        """One attempt at `email.sync`, in this thread."""
        return self.run(sync_email, {"connection_id": self.connection_id})

    def run(self, servant: ServantType[Any], payload: Mapping[str, Any]) -> Ran:
        """One attempt at any job, in this thread."""
        return run(servant, payload, database=self.database, account_id=1)

    def cut_off(self, servant: ServantType[Any], payload: Mapping[str, Any], *, commits: int) -> Ran:
        """The same by a servant that dies after so many commits; its job is rescued."""
        ran = run(servant, payload, database=self.database, account_id=1, lose_lease_after=commits)
        self.database.sql.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'running'")
        Rescue(self.database.pool, queued_timeout_seconds=0, lost_seconds=60).run_once()
        return ran

    def drain(self, *, passing: timedelta = timedelta(0)) -> Drained:
        """Perform every due job, and all that they bring about."""
        return drain(self.database, sync_email, backfill, passing=passing, seconds=20)

    def placed(self) -> dict[str, int]:
        """How many messages lie in each mailbox."""
        return {name: number for name, number in self.database.sql.execute(_PLACED, (self.connection_id,)) if number}

    def chunks(self) -> list[dict[str, int]]:
        """The backfills that have not ended, the first to be dispatched first."""
        return [row[0] for row in self.database.sql.execute(_CHUNKS)]

    @property
    def progress(self) -> Import:
        return imports_of(self.database.sql, [self.connection_id])[self.connection_id]

    def differences(self) -> Sequence[str]:
        """In what the database is not the server."""
        with self.server.client(self.user) as client:
            return differences(remote_snapshot(client), stored_snapshot(self.database.sql, self.connection_id))


@contextmanager
def new_customer(database: RetinueDatabase, server: LocalMailServer) -> Iterator[Customer]:
    """A user nobody has used yet, and its connection."""
    user = server.user()
    config = {"host": server.host, "port": server.port, "username": user.name, "tls": "none"}
    account_id = database.account()
    connection_id = database.connection(account_id, "imap", config=config, credentials={"password": user.password})
    with server.client(user) as client:
        yield Customer(database, server, user, client, connection_id)
