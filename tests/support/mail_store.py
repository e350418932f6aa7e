"""Messages for tests of the store: made of a few words, written and placed by the functions that a sync uses."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from infra.postgres.connect import Database
from retinue import Connection
from servants.email.messages import delete_unplaced, revive, save_messages
from servants.email.values import Attachment, NewMessage, ParsedMessage, Participant, ParticipantRole
from tests.support.calendar_job import PlainCommit

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def message(
    name: str,
    *,
    subject: str | None = "Plan",
    sender: str = "ann@example.com",
    to: Sequence[str] = ("bo@example.com",),
    cc: Sequence[str] = (),
    in_reply_to: str | None = None,
    references: Sequence[str] = (),
    message_id: str | None = "",
    sent_at: datetime | None = NOON,
    received_at: datetime | None = None,
    text: str | None = "Hello.",
    attachments: Sequence[Attachment] = (),
) -> NewMessage:
    """A message whose identity follows from `name`, as does its Message-ID unless one is given; people as
    `address` or `Name <address>`."""
    parsed = ParsedMessage(
        message_id=f"<{name}@host>" if message_id == "" else message_id,
        in_reply_to=in_reply_to,
        references=tuple(references),
        subject=subject,
        sent_at=sent_at,
        participants=(
            person(ParticipantRole.FROM, sender),
            *(person(ParticipantRole.TO, one) for one in to),
            *(person(ParticipantRole.CC, one) for one in cc),
        ),
        text=text,
        text_source=None if text is None else "plain",
        attachments=tuple(attachments),
    )
    identity = sha256(name.encode()).hexdigest()
    return NewMessage(identity=identity, size=1000, received_at=received_at, parsed=parsed)


def person(role: ParticipantRole, text: str) -> Participant:
    name, bracket, rest = text.partition("<")
    return Participant(role, rest.rstrip(">"), name.strip() or None) if bracket else Participant(role, text)


@dataclass
class MailAccount:
    """A mail connection with one mailbox, and the commits of its syncs."""

    database: Database
    connection: Connection
    mailbox_id: int

    @contextmanager
    def commit(self) -> Iterator[PlainCommit]:
        with self.database.transaction() as connection:
            yield PlainCommit(connection, [])

    def save(self, *new: NewMessage) -> list[int]:
        """Write messages that lie nowhere yet; their IDs in order."""
        with self.commit() as tx:
            ids = save_messages(tx, self.connection, new)
        return [ids[one.identity] for one in new]

    def place(self, message_ids: Iterable[int]) -> None:
        """Put messages into the mailbox, each under its own ID as UID."""
        ids = list(message_ids)
        with self.commit() as tx:
            revive(tx, self.connection, ids)
            tx.execute(
                "INSERT INTO placements (mailbox_id, uid, account_id, message_id)"
                " SELECT %s, id, %s, id FROM unnest(%s::bigint[]) AS id ON CONFLICT DO NOTHING",
                (self.mailbox_id, self.connection.account_id, ids),
            )

    def remove(self, message_ids: Iterable[int]) -> None:
        """Take messages out of the mailbox."""
        with self.commit() as tx:
            tx.execute(
                "WITH gone AS (DELETE FROM placements WHERE mailbox_id = %s AND message_id = ANY(%s)"
                " RETURNING message_id, account_id)"
                " INSERT INTO displaced_messages (connection_id, message_id, account_id)"
                " SELECT %s, message_id, account_id FROM gone",
                (self.mailbox_id, list(message_ids), self.connection.id),
            )

    def finish(self) -> int:
        """What the end of a whole run does; how many messages it marked as deleted."""
        with self.commit() as tx:
            return delete_unplaced(tx, self.connection)


def mail_account(database: Database, *, account_id: int | None = None) -> MailAccount:
    """A connection with an empty INBOX, of a new account unless one is given."""
    name = secrets.token_hex(8)
    with database.transaction() as tx:
        if account_id is None:
            account_id = tx.execute("INSERT INTO accounts (name) VALUES (%s) RETURNING id", (name,)).fetchall()[0][0]
        config = {"host": "mail.example.com", "username": name}
        connection_id = tx.execute(
            "INSERT INTO connections (account_id, provider, name, config, credentials)"
            " VALUES (%s, 'imap', %s, %s, %s) RETURNING id",
            (account_id, name, json.dumps(config), b"sealed"),
        ).fetchall()[0][0]
        mailbox_id = tx.execute(
            "INSERT INTO mailboxes (account_id, connection_id, name) VALUES (%s, %s, 'INBOX') RETURNING id",
            (account_id, connection_id),
        ).fetchall()[0][0]
    return MailAccount(database, Connection(connection_id, account_id, "imap", name, config, {}), mailbox_id)
