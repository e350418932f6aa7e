"""Messages in PostgreSQL, with their participants, attachments and threads; whole pages in single statements.

Every function runs inside one fenced commit, and all that write hold the connection's mail until it ends: what a sync
and a backfill of one connection write at once cannot cross. In a commit they come before anything that is written about
placements, and nothing in it waits for a server.

What else a message touches, its thread's and its contacts' counts of live messages, changes in the same commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from infra.postgres.arrays import numbers, texts
from infra.postgres.contacts import Seen, count_contacts, record_participants
from infra.postgres.texts import storable
from retinue.connection import Connection
from retinue.job import Commit
from servants.email.message_rows import (
    ATTACHMENTS,
    MESSAGES,
    PARTICIPANTS,
    Draft,
    attachment_rows,
    copy_rows,
    draft,
    message_row,
    participant_rows,
)
from servants.email.threads import Member, assign_threads, count_threads, join_by_subject
from servants.email.values import NewMessage

_HOLD = "SELECT now() FROM pg_advisory_xact_lock(hashtextextended('retinue mail ' || %s::bigint, 0))"


def _hold(tx: Commit, connection: Connection) -> datetime:
    """Keep every other commit from this connection's messages until this one ends; the time of the commit."""
    now: datetime = tx.execute(_HOLD, (connection.id,)).fetchone()[0]
    return now


_KNOWN = """
SELECT identity, id FROM mail_messages
WHERE connection_id = %(connection_id)s AND identity = ANY(%(identities)s::text[])
"""


def known_identities(tx: Commit, connection: Connection, identities: Iterable[str]) -> dict[str, int]:
    """Which of the identities are stored, deleted or not: message IDs by identity."""
    params = {"connection_id": connection.id, "identities": texts(identities)}
    return dict(tx.execute(_KNOWN, params).fetchall())


def save_messages(tx: Commit, connection: Connection, new: Sequence[NewMessage]) -> dict[str, int]:
    """Write messages; the message ID of every identity given.

    What is stored already stays as it is, but is no longer deleted. Nothing is said here about where messages lie: the
    placements follow in the same commit.
    """
    now = _hold(tx, connection)
    known = known_identities(tx, connection, {message.identity for message in new})
    revive(tx, connection, known.values())
    fresh = {message.identity: draft(message, now=now) for message in new if message.identity not in known}
    return known | _write(tx, connection, fresh)


_DRAW_IDS = "SELECT nextval('mail_messages_id_seq') FROM generate_series(1, %s)"


def _write(tx: Commit, connection: Connection, fresh: dict[str, Draft]) -> dict[str, int]:
    if not fresh:
        return {}
    drafts = list(fresh.values())
    thread_ids = assign_threads(tx, connection, [Member(one.header_ids, one.dated_at) for one in drafts])
    contacts = record_participants(tx, connection.account_id, [seen for one in drafts for seen in _seen(one)])
    ids = [message_id for (message_id,) in tx.execute(_DRAW_IDS, (len(drafts),)).fetchall()]
    rows = zip(ids, thread_ids, drafts, strict=True)
    copy_rows(tx, MESSAGES, (message_row(connection, *row) for row in rows))
    for table, to_rows in ((PARTICIPANTS, partial(participant_rows, contacts)), (ATTACHMENTS, attachment_rows)):
        written = zip(ids, drafts, strict=True)
        copy_rows(tx, table, (row for i, one in written for row in to_rows(connection, i, one)))
    join_by_subject(tx, connection, ids)
    return dict(zip(fresh, ids, strict=True))


def _seen(written: Draft) -> list[Seen]:
    """The people that a message names: every name given, and each address counted once."""
    counted: set[str] = set()
    seen = []
    for participant in written.new.parsed.participants:
        address = storable(participant.address)
        seen.append(Seen(address, written.dated_at, participant.name, messages=int(address not in counted)))
        counted.add(address)
    return seen


_REVIVE = """
UPDATE mail_messages SET deleted_at = NULL, updated_at = now()
WHERE connection_id = %(connection_id)s AND id = ANY(%(ids)s::bigint[]) AND deleted_at IS NOT NULL
RETURNING id, thread_id
"""


def revive(tx: Commit, connection: Connection, message_ids: Iterable[int]) -> int:
    """Keep stored messages from being deleted until this commit has placed them; how many had been deleted.

    To be called before the placements of known messages are written.
    """
    _hold(tx, connection)
    ids = sorted(message_ids)
    if not ids:
        return 0
    returned = tx.execute(_REVIVE, {"connection_id": connection.id, "ids": numbers(ids)}).fetchall()
    return _count(tx, connection, returned, more=1)


_TAKE_DISPLACED = """
DELETE FROM displaced_messages
WHERE id IN (SELECT id FROM displaced_messages WHERE connection_id = %(connection_id)s LIMIT %(limit)s)
RETURNING message_id
"""

_DELETE_UNPLACED = """
UPDATE mail_messages AS message SET deleted_at = now(), updated_at = now()
WHERE message.id = ANY(%(ids)s::bigint[]) AND message.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM placements WHERE placements.message_id = message.id)
RETURNING message.id, message.thread_id
"""

#: Messages looked at together; a mailbox of any size may have gone.
_LOOKED_AT = 5000


def delete_unplaced(tx: Commit, connection: Connection) -> int:
    """Mark the connection's messages that lie in no mailbox any more as deleted; how many those were.

    To be called at the end of a whole run, when a message that was moved has arrived. What lost no placement since the
    last look is not looked at.
    """
    _hold(tx, connection)
    deleted = 0
    params = {"connection_id": connection.id, "limit": _LOOKED_AT}
    while displaced := tx.execute(_TAKE_DISPLACED, params).fetchall():
        ids = numbers({message_id for (message_id,) in displaced})
        gone = tx.execute(_DELETE_UNPLACED, {"ids": ids}).fetchall()
        deleted += _count(tx, connection, gone, more=-1)
    return deleted


_NAMED = """
SELECT contact_id, count(DISTINCT message_id) FROM message_participants
WHERE message_id = ANY(%(ids)s::bigint[]) AND contact_id IS NOT NULL
GROUP BY contact_id
"""


def _count(tx: Commit, connection: Connection, changed: Sequence[tuple[int, int]], *, more: int) -> int:
    """Count messages, given with their threads, in (`more` is 1) or out (-1); how many they are."""
    if not changed:
        return 0
    count_threads(tx, {thread_id: more * n for thread_id, n in Counter(thread for _, thread in changed).items()})
    named = tx.execute(_NAMED, {"ids": numbers(message_id for message_id, _ in changed)}).fetchall()
    changes = {contact_id: more * n for contact_id, n in named}
    count_contacts(tx, connection.account_id, changes, what="messages")
    return len(changed)
