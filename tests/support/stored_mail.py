"""What the database holds of a mail connection, in the same terms as a full read of the IMAP server; and its upkeep."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

#: By mailbox name and UID: the identity of the message that lies there, and its flags.
Mailboxes = dict[str, dict[int, tuple[str, frozenset[str]]]]

_MAILBOXES = "SELECT name FROM mailboxes WHERE connection_id = %s AND deleted_at IS NULL AND selectable"

_PLACEMENTS = """
SELECT mailbox.name, placement.uid, message.identity, placement.flags
FROM placements AS placement
JOIN mailboxes AS mailbox ON mailbox.id = placement.mailbox_id
JOIN mail_messages AS message ON message.id = placement.message_id
WHERE mailbox.connection_id = %s AND mailbox.deleted_at IS NULL AND message.connection_id = mailbox.connection_id
"""


def stored_mailboxes(sql: psycopg.Connection, connection_id: int) -> Mailboxes:
    """What lies in every live mailbox of a connection; empty ones are there too."""
    found: Mailboxes = {name: {} for (name,) in sql.execute(_MAILBOXES, (connection_id,)).fetchall()}
    for name, uid, identity, flags in sql.execute(_PLACEMENTS, (connection_id,)):
        found.setdefault(name, {})[uid] = (identity, frozenset(flags))
    return found


_LIVE = "SELECT identity FROM mail_messages WHERE connection_id = %s AND deleted_at IS NULL"


def live_identities(sql: psycopg.Connection, connection_id: int) -> set[str]:
    """The identities of the messages that are not deleted: after a whole run, those that lie somewhere."""
    return {identity for (identity,) in sql.execute(_LIVE, (connection_id,)).fetchall()}


# Each finds rows whose counts or spans are not those of the messages behind them.
_FAULTS = {
    "deleted though it lies somewhere, or the other way round": """
        SELECT message.id FROM mail_messages AS message
        WHERE message.connection_id = %(id)s
          AND (message.deleted_at IS NULL)
              <> EXISTS (SELECT FROM placements WHERE placements.message_id = message.id)
          AND NOT EXISTS (SELECT FROM displaced_messages AS displaced WHERE displaced.message_id = message.id)
    """,
    "a thread's live messages or span": """
        SELECT thread.id, thread.messages, thread.first_at, thread.last_at
        FROM threads AS thread LEFT JOIN mail_messages AS message ON message.thread_id = thread.id
        WHERE thread.connection_id = %(id)s
        GROUP BY thread.id
        HAVING thread.messages <> count(message.id) FILTER (WHERE message.deleted_at IS NULL)
            OR thread.first_at IS DISTINCT FROM min(message.dated_at)
            OR thread.last_at IS DISTINCT FROM max(message.dated_at)
    """,
    "a contact's live messages": """
        SELECT contact.id, contact.messages, count(DISTINCT message.id)
        FROM contacts AS contact
        LEFT JOIN message_participants AS participant ON participant.contact_id = contact.id
        LEFT JOIN mail_messages AS message ON message.id = participant.message_id AND message.deleted_at IS NULL
        WHERE contact.account_id = (SELECT account_id FROM connections WHERE id = %(id)s)
        GROUP BY contact.id
        HAVING contact.messages <> count(DISTINCT message.id)
    """,
    "participants of no contact that is there, or of no message": """
        SELECT participant.message_id, participant.position
        FROM message_participants AS participant
        WHERE participant.account_id = (SELECT account_id FROM connections WHERE id = %(id)s)
          AND (participant.contact_id IS NOT NULL
               AND NOT EXISTS (SELECT FROM contacts WHERE contacts.id = participant.contact_id)
               OR NOT EXISTS (SELECT FROM mail_messages WHERE mail_messages.id = participant.message_id))
    """,
    "a participant's moment that is not its message's": """
        SELECT participant.message_id, participant.position, participant.dated_at, message.dated_at
        FROM message_participants AS participant
        JOIN mail_messages AS message ON message.id = participant.message_id
        WHERE message.connection_id = %(id)s AND participant.dated_at <> message.dated_at
    """,
    "two placements' threads though their headers name one another": """
        SELECT message.id FROM mail_messages AS message
        JOIN thread_keys AS header ON header.connection_id = message.connection_id
         AND header.header_id = btrim(message.message_id, '<> ')
        WHERE message.connection_id = %(id)s AND header.thread_id <> message.thread_id
    """,
}


def faults_of_store(sql: psycopg.Connection, connection_id: int) -> dict[str, list[Any]]:
    """What in the connection's messages, threads and contacts contradicts the rest; empty when all is well."""
    found = {name: sql.execute(query.encode(), {"id": connection_id}).fetchall() for name, query in _FAULTS.items()}
    return {name: rows for name, rows in found.items() if rows}


@dataclass(frozen=True, slots=True)
class StoredThread:
    """A thread: the identities of its messages, deleted or not, and what its row says of them."""

    identities: frozenset[str]
    live: int
    first_at: datetime
    last_at: datetime


_THREADS = """
SELECT array_agg(message.identity), thread.messages, thread.first_at, thread.last_at
FROM threads AS thread LEFT JOIN mail_messages AS message ON message.thread_id = thread.id
WHERE thread.connection_id = %s GROUP BY thread.id
"""


def stored_threads(sql: psycopg.Connection, connection_id: int) -> set[StoredThread]:
    """Every thread of a connection."""
    rows = sql.execute(_THREADS, (connection_id,)).fetchall()
    return {StoredThread(frozenset(identities), live, first, last) for identities, live, first, last in rows}


@dataclass(frozen=True, slots=True)
class StoredContact:
    """A contact's row, without its address."""

    name: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    messages: int = field(default=0)
    events: int = field(default=0)


_CONTACTS = "SELECT address, name, first_seen_at, last_seen_at, messages, events FROM contacts WHERE account_id = %s"


def stored_contacts(sql: psycopg.Connection, account_id: int) -> dict[str, StoredContact]:
    """Every contact of an account, by address."""
    return {address: StoredContact(*rest) for address, *rest in sql.execute(_CONTACTS, (account_id,)).fetchall()}
