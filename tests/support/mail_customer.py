"""A customer whose mailbox `email.sync` follows over whatever connection a test makes up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.postgres.connections import mark_active, open_connection, update_connection
from infra.postgres.incidents import IncidentLine, list_incidents
from retinue.testing import Ran, RetinueDatabase, run
from servants.email.sync import sync_email


@dataclass
class Customer:
    """A connection whose import is over."""

    database: RetinueDatabase
    account_id: int
    connection_id: int

    def sync(self) -> Ran:
        """One attempt, of a new job."""
        payload = {"connection_id": self.connection_id}
        return run(sync_email, payload, database=self.database, account_id=self.account_id)

    def stored(self) -> dict[int, str]:
        """The subjects of what is placed in INBOX and not deleted, by UID."""
        query = """
            SELECT uid, subject FROM placements
            JOIN mailboxes ON mailboxes.id = mailbox_id AND mailboxes.name = 'INBOX'
            JOIN mail_messages ON mail_messages.id = placements.message_id AND mail_messages.deleted_at IS NULL
        """
        return dict(self.database.sql.execute(query).fetchall())

    @property
    def incidents(self) -> list[IncidentLine]:
        return list_incidents(self.database.sql, connection_id=self.connection_id)

    def change(self, credentials: Mapping[str, str] | None = None, **config: Any) -> None:
        """What a person does: enter other settings and find that the connection works."""
        known = open_connection(self.database.sql, self.database.keyring, self.connection_id)
        update_connection(
            self.database.sql,
            self.database.keyring,
            self.connection_id,
            config={**known.config, **config},
            credentials=credentials or known.credentials,
        )
        mark_active(self.database.sql, self.connection_id)

    def forget_waits(self) -> None:
        """As if the time that a limit or a breaker asks for had passed."""
        self.database.sql.execute("UPDATE budget_states SET blocked_until = NULL, blocked_reason = NULL")
        self.database.sql.execute("UPDATE breakers SET probe_at = now() WHERE state <> 'closed'")


def customer_of(database: RetinueDatabase, credentials: Mapping[str, str] | None = None, **config: Any) -> Customer:
    """A customer of a server on this machine, whose import is over; `config` is of the connection."""
    account_id = database.account()
    settings = {"host": "127.0.0.1", "username": "ada", "tls": "none"} | config
    given = credentials or {"password": "secret-word"}
    connection_id = database.connection(account_id, "imap", config=settings, credentials=given)
    database.sql.execute(
        "INSERT INTO imports (connection_id, account_id, kind, recent_at, finished_at)"
        " VALUES (%s, %s, 'email', now(), now())",
        (connection_id, account_id),
    )
    return Customer(database, account_id, connection_id)
