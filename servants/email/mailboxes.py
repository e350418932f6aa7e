"""Mailboxes in PostgreSQL: what the server says of them, and up to where each is in step.

Every function runs inside one fenced commit. Whoever writes placements locks the mailbox's row first: pages share it
(`hold`), and who moves its position has it alone (`hold_alone`). So a page that was fetched before the position moved
is noticed, and no two writers wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retinue.connection import Connection
from retinue.job import Commit
from servants.email.values import RemoteFolder, Selected, UidSet

#: In place of a UIDVALIDITY, which is never 0 (RFC 9051 §9, `nz-number`): the connection leads to another server or
#: user since, so our UIDs mean nothing. `infra.postgres.mail_connections` writes it.
FORGOTTEN = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMailbox:
    """A mailbox's row. A mailbox whose `highest_modseq` is None is followed by its whole list of flags.

    `refused` are the UIDs that the server would not give, `due` those of them that are to be asked for again.
    """

    id: int
    account_id: int
    connection_id: int
    name: str
    role: str | None
    object_id: str | None
    selectable: bool
    uid_validity: int | None
    uid_next: int | None
    highest_modseq: int | None
    messages: int | None
    unseen: int | None
    validity_changes: int
    synced_at: datetime | None
    compared_at: datetime | None
    refused: UidSet
    due: UidSet

    @property
    def state(self) -> tuple[Any, ...]:
        """What tells whether somebody moved the position meanwhile.

        What a server tells once alone changes one of these; what it would tell again need not keep anybody waiting.
        """
        return self.uid_validity, self.uid_next, self.highest_modseq, self.messages


_COLUMNS = """
id, account_id, connection_id, name, role, object_id, selectable, uid_validity, uid_next, highest_modseq, messages,
unseen, validity_changes, synced_at, compared_at,
ARRAY(SELECT uid::bigint FROM jsonb_object_keys(unfetchable) AS uid),
ARRAY(SELECT uid::bigint FROM jsonb_each(unfetchable) AS refused (uid, entry)
      WHERE (entry ->> 'at')::timestamptz <= now())
"""


def _mailbox(row: Sequence[Any]) -> StoredMailbox:
    *plain, refused, due = row
    names = StoredMailbox.__slots__
    return StoredMailbox(**dict(zip(names, [*plain, UidSet.of(refused), UidSet.of(due)], strict=True)))


def load_mailboxes(tx: Commit, connection: Connection) -> list[StoredMailbox]:
    """The live mailboxes of a connection."""
    statement = f"SELECT {_COLUMNS} FROM mailboxes WHERE connection_id = %s AND deleted_at IS NULL ORDER BY id"  # noqa: S608 - constant columns
    return [_mailbox(row) for row in tx.execute(statement, (connection.id,)).fetchall()]


def load_mailbox(tx: Commit, mailbox_id: int) -> StoredMailbox | None:
    """A live mailbox; None where it is gone."""
    return _load_one(tx, mailbox_id, "")


def hold(tx: Commit, mailbox_id: int) -> StoredMailbox | None:
    """A live mailbox whose position stays where it is until this commit ends; None where it is gone."""
    return _load_one(tx, mailbox_id, "FOR SHARE")


def hold_alone(tx: Commit, mailbox_id: int) -> StoredMailbox | None:
    """A live mailbox that nobody else writes into until this commit ends; None where it is gone."""
    return _load_one(tx, mailbox_id, "FOR NO KEY UPDATE")


def _load_one(tx: Commit, mailbox_id: int, lock: str) -> StoredMailbox | None:
    statement = f"SELECT {_COLUMNS} FROM mailboxes WHERE id = %s AND deleted_at IS NULL {lock}"  # noqa: S608 - constants
    row = tx.execute(statement, (mailbox_id,)).fetchone()
    return None if row is None else _mailbox(row)


_ADD_MAILBOXES = """
INSERT INTO mailboxes (account_id, connection_id, name, delimiter, role, object_id, selectable)
SELECT %(account_id)s, %(connection_id)s, remote.*
FROM unnest(%(names)s::text[], %(delimiters)s::text[], %(roles)s::text[], %(object_ids)s::text[],
            %(selectable)s::boolean[]) AS remote
"""

_SAVE_MAILBOXES = """
UPDATE mailboxes AS mailbox
SET name = remote.name, delimiter = remote.delimiter, role = remote.role, selectable = remote.selectable,
    object_id = coalesce(remote.object_id, mailbox.object_id)
FROM unnest(%(ids)s::bigint[], %(names)s::text[], %(delimiters)s::text[], %(roles)s::text[], %(object_ids)s::text[],
            %(selectable)s::boolean[]) AS remote (id, name, delimiter, role, object_id, selectable)
WHERE mailbox.id = remote.id
  AND (mailbox.name, mailbox.delimiter, mailbox.role, mailbox.selectable, mailbox.object_id)
      IS DISTINCT FROM
      (remote.name, remote.delimiter, remote.role, remote.selectable, coalesce(remote.object_id, mailbox.object_id))
"""

# Two mailboxes may have swapped their names; PostgreSQL checks each row's as it is written.
_FREE_NAMES = "UPDATE mailboxes SET name = chr(1) || id WHERE id = ANY(%(ids)s)"


def add_mailboxes(tx: Commit, connection: Connection, remotes: Sequence[RemoteFolder]) -> None:
    """Make a row for each of these folders."""
    if remotes:
        params = _listed(remotes) | {"account_id": connection.account_id, "connection_id": connection.id}
        tx.execute(_ADD_MAILBOXES, params)


def save_mailboxes(tx: Commit, listed: Mapping[int, RemoteFolder], *, renamed: Iterable[int]) -> None:
    """Write what the server says of the mailboxes with these ids; those that would not change are not written."""
    moved = list(renamed)
    if moved:
        tx.execute(_FREE_NAMES, {"ids": moved})
    tx.execute(_SAVE_MAILBOXES, _listed(list(listed.values())) | {"ids": list(listed)})


def _listed(remotes: Sequence[RemoteFolder]) -> dict[str, Any]:
    return {
        "names": [remote.name for remote in remotes],
        "delimiters": [remote.delimiter for remote in remotes],
        "roles": [remote.role for remote in remotes],
        "object_ids": [remote.object_id for remote in remotes],
        "selectable": [remote.selectable for remote in remotes],
    }


_SAVE_POSITION = """
UPDATE mailboxes
SET uid_validity = %(uid_validity)s, uid_next = %(uid_next)s, highest_modseq = %(highest_modseq)s,
    messages = %(messages)s, unseen = %(unseen)s, synced_at = now()
WHERE id = %(id)s
"""


def save_position(tx: Commit, mailbox_id: int, selected: Selected, *, unseen: int | None = None) -> None:
    """Remember up to where a mailbox is in step: what opening it said, before anything in it was listed."""
    params = {
        "id": mailbox_id,
        "uid_validity": selected.uid_validity,
        "uid_next": selected.uid_next,
        # Modification sequences start at 1 (RFC 7162 §7); a server that says 0 does not count.
        "highest_modseq": selected.highest_modseq or None,
        "messages": selected.exists,
        "unseen": unseen,
    }
    tx.execute(_SAVE_POSITION, params)


def begin_anew(tx: Commit, mailbox_id: int, *, uid_validity: int) -> None:
    """Note what UIDs of this mailbox mean from now on. What changes were counted by before compares with nothing."""
    statement = "UPDATE mailboxes SET uid_validity = %s, highest_modseq = NULL WHERE id = %s"
    tx.execute(statement, (uid_validity, mailbox_id))
    tx.execute("UPDATE placements SET modseq = NULL WHERE mailbox_id = %s AND modseq IS NOT NULL", (mailbox_id,))


def has_settings(tx: Commit, connection: Connection) -> bool:
    """Whether the connection leads where it did when the job opened it."""
    row = tx.execute("SELECT config FROM connections WHERE id = %s", (connection.id,)).fetchone()
    return row is not None and row[0] == connection.config


def mark_synced(tx: Commit, ids: Iterable[int]) -> None:
    """Note that these mailboxes were looked at and had not changed."""
    tx.execute("UPDATE mailboxes SET synced_at = now() WHERE id = ANY(%s)", (list(ids),))


def mark_steady(tx: Commit, ids: Iterable[int]) -> None:
    """Note that these mailboxes kept their UIDs since the last run."""
    tx.execute("UPDATE mailboxes SET validity_changes = 0 WHERE id = ANY(%s) AND validity_changes > 0", (list(ids),))


def mark_compared(tx: Commit, mailbox_id: int) -> None:
    """Note that all of a mailbox was compared with the server."""
    tx.execute("UPDATE mailboxes SET compared_at = now() WHERE id = %s", (mailbox_id,))


# Asked for again after a quarter of an hour, then after twice as long each time, at least once a day.
_NOTE_REFUSED = """
UPDATE mailboxes
SET unfetchable = unfetchable || (
    SELECT jsonb_object_agg(uid::text, jsonb_build_object(
        'tries', tries + 1,
        'at', now() + least(interval '15 minutes' * power(2, least(tries, 10)), interval '1 day')
    ))
    FROM (SELECT uid, coalesce((unfetchable -> uid::text ->> 'tries')::int, 0) AS tries
          FROM unnest(%(uids)s::bigint[]) AS uid) AS refused
)
WHERE id = %(id)s
"""


def note_refused(tx: Commit, mailbox_id: int, uids: UidSet) -> None:
    """Remember that the server would not give these messages: they are asked for again, but not at every run."""
    if uids:
        tx.execute(_NOTE_REFUSED, {"id": mailbox_id, "uids": list(uids)})


def forget_refused(tx: Commit, mailbox_id: int, uids: UidSet) -> None:
    """These messages need not be asked for any more."""
    if uids:
        statement = "UPDATE mailboxes SET unfetchable = unfetchable - %s::text[] WHERE id = %s"
        tx.execute(statement, ([str(uid) for uid in uids], mailbox_id))
