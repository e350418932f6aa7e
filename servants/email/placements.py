"""Placements in PostgreSQL: which message lies in which mailbox, under which UID, with which flags.

Every function runs inside one fenced commit that has locked the mailbox's row, see `servants.email.mailboxes`. Whoever
takes a placement away notes whose it was, in the same statement, so that messages without any are found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retinue.connection import Connection
from retinue.job import Commit
from servants.email.mailboxes import StoredMailbox
from servants.email.values import FlagLine, UidSet

_DISPLACE = """
INSERT INTO displaced_messages (connection_id, message_id, account_id)
SELECT DISTINCT %(connection_id)s::bigint, message_id, account_id FROM gone ON CONFLICT DO NOTHING
"""

_EMPTY = f"""
WITH gone AS (
    DELETE FROM placements WHERE mailbox_id = ANY(%(ids)s) RETURNING message_id, account_id
), displaced AS ({_DISPLACE})
SELECT count(*) FROM gone
"""  # noqa: S608 - a constant

_FORGET_POSITION = """
UPDATE mailboxes
SET uid_validity = %(uid_validity)s, uid_next = NULL, highest_modseq = NULL, messages = NULL, unseen = NULL,
    unfetchable = '{}', validity_changes = validity_changes + %(changes)s
WHERE id = ANY(%(ids)s)
"""


def empty_mailboxes(tx: Commit, connection: Connection, ids: Sequence[int]) -> int:
    """Take away what lies in these mailboxes, and their positions; how many placements that were."""
    return _emptied(tx, connection, ids, {"uid_validity": None, "changes": 0})


def renumber_mailbox(tx: Commit, connection: Connection, mailbox_id: int, *, uid_validity: int) -> int:
    """The UIDs of a mailbox mean nothing any more: take its placements away; how many there were.

    The messages stay, so that what the new UIDs stand for is found by their headers alone.
    """
    return _emptied(tx, connection, [mailbox_id], {"uid_validity": uid_validity, "changes": 1})


def _emptied(tx: Commit, connection: Connection, ids: Sequence[int], position: Mapping[str, Any]) -> int:
    if not ids:
        return 0
    tx.execute(_FORGET_POSITION, {"ids": list(ids), **position})
    return int(tx.execute(_EMPTY, {"ids": list(ids), "connection_id": connection.id}).fetchone()[0])


def delete_mailboxes(tx: Commit, connection: Connection, ids: Sequence[int]) -> int:
    """Mark mailboxes as deleted and take away what lay in them; how many placements that were."""
    if ids:
        tx.execute("UPDATE mailboxes SET deleted_at = now() WHERE id = ANY(%s)", (list(ids),))
    return empty_mailboxes(tx, connection, ids)


_COUNT = "SELECT count(*) FROM placements WHERE mailbox_id = ANY(%s)"


def count_placements(tx: Commit, ids: Sequence[int]) -> int:
    """How many messages lie in these mailboxes."""
    return int(tx.execute(_COUNT, (list(ids),)).fetchone()[0])


# Neighbours differ from their rank by the same number.
_PLACED_RANGES = """
SELECT min(uid), max(uid)
FROM (SELECT uid, uid - row_number() OVER (ORDER BY uid) AS island FROM placements
      WHERE mailbox_id = %(id)s AND uid BETWEEN %(low)s AND %(high)s) AS placed
GROUP BY island ORDER BY 1
"""

#: UIDs have 32 bits (RFC 9051 §9, `uniqueid`).
_LAST_UID = 2**32


def placed_uids(tx: Commit, mailbox_id: int, *, low: int = 1, high: int | None = None) -> UidSet:
    """The UIDs that are placed in a mailbox, from `low` to `high`."""
    params = {"id": mailbox_id, "low": low, "high": high or _LAST_UID}
    return UidSet(tuple(tx.execute(_PLACED_RANGES, params).fetchall()))


_PLACED_AMONG = """
SELECT uid, flags, modseq FROM placements
WHERE mailbox_id = %(id)s AND uid = ANY(%(uids)s)
"""


def placed_flags(tx: Commit, mailbox_id: int, uids: Iterable[int]) -> dict[int, FlagLine]:
    """What is held of these UIDs."""
    rows = tx.execute(_PLACED_AMONG, {"id": mailbox_id, "uids": list(uids)})
    # A mailbox has few combinations of flags: kept once each, they cost next to nothing.
    kept: dict[tuple[str, ...], tuple[str, ...]] = {}
    lines = {}
    for uid, flags, modseq in rows:
        told = tuple(flags)
        lines[uid] = FlagLine(uid, kept.setdefault(told, told), modseq)
    return lines


_REMOVE = f"""
WITH gone AS (
    DELETE FROM placements AS placement
    USING unnest(%(lows)s::bigint[], %(highs)s::bigint[]) AS range (low, high)
    WHERE placement.mailbox_id = %(id)s AND placement.uid BETWEEN range.low AND range.high
    RETURNING placement.message_id, placement.account_id
), displaced AS ({_DISPLACE})
SELECT count(*) FROM gone
"""  # noqa: S608 - a constant


def remove(tx: Commit, mailbox: StoredMailbox, uids: UidSet) -> int:
    """Take placements away; how many there were."""
    if not uids:
        return 0
    params = {
        "id": mailbox.id,
        "connection_id": mailbox.connection_id,
        "lows": [low for low, _ in uids.ranges],
        "highs": [high for _, high in uids.ranges],
    }
    return int(tx.execute(_REMOVE, params).fetchone()[0])


# Arrays of arrays must be even, so flags travel joined: a space is in none (RFC 9051 §9).
_REFLAG = """
UPDATE placements AS placement
SET flags = string_to_array(line.flags, ' '), modseq = coalesce(line.modseq, placement.modseq)
FROM unnest(%(uids)s::bigint[], %(flags)s::text[], %(modseqs)s::bigint[]) AS line (uid, flags, modseq)
WHERE placement.mailbox_id = %(id)s AND placement.uid = line.uid
"""


def reflag(tx: Commit, mailbox: StoredMailbox, lines: Sequence[FlagLine]) -> int:
    """Write the flags of placements; how many there were."""
    return int(tx.execute(_REFLAG, {"id": mailbox.id} | _lines(lines)).rowcount) if lines else 0


_PLACE = """
INSERT INTO placements AS placement (mailbox_id, account_id, uid, message_id, flags, modseq)
SELECT %(id)s, %(account_id)s, line.uid, line.message_id, string_to_array(line.flags, ' '),
       line.modseq
FROM unnest(%(uids)s::bigint[], %(message_ids)s::bigint[], %(flags)s::text[], %(modseqs)s::bigint[])
     AS line (uid, message_id, flags, modseq)
ON CONFLICT (mailbox_id, uid) DO UPDATE SET flags = excluded.flags, modseq = excluded.modseq
WHERE placement.flags IS DISTINCT FROM excluded.flags
  AND (excluded.modseq >= placement.modseq) IS NOT FALSE
"""


def place(tx: Commit, mailbox: StoredMailbox, lines: Sequence[FlagLine], message_ids: Sequence[int]) -> int:
    """Note that these messages lie there. A placement that is there already keeps its message and the newer flags."""
    if not lines:
        return 0
    params = {"id": mailbox.id, "account_id": mailbox.account_id, "message_ids": list(message_ids)}
    return int(tx.execute(_PLACE, params | _lines(lines)).rowcount)


def _lines(lines: Sequence[FlagLine]) -> dict[str, Any]:
    return {
        "uids": [line.uid for line in lines],
        "flags": [" ".join(line.flags) for line in lines],
        "modseqs": [line.modseq for line in lines],
    }


_SAMPLE = """
SELECT placement.uid, message.identity
FROM (SELECT uid, message_id FROM placements WHERE mailbox_id = %(id)s ORDER BY uid DESC LIMIT %(count)s) AS placement
JOIN mail_messages AS message ON message.id = placement.message_id
"""


def newest_identities(tx: Commit, mailbox_id: int, *, count: int) -> dict[int, str]:
    """The identities of the newest messages of a mailbox, by UID."""
    return dict(tx.execute(_SAMPLE, {"id": mailbox_id, "count": count}).fetchall())
