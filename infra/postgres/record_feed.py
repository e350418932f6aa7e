"""The feed of an account's record changes, which any number of consumers read by a cursor each keeps for itself.

Positions count up by one, and become visible in their order: whoever gives some out holds the account's lock until its
commit. So nothing ever appears behind a cursor, whatever is still under way, and a position that is missing tells by
itself that it was dropped. The other way, positions in the order of transaction IDs that are read only up to the oldest
transaction under way, needs no lock; but one long transaction of anybody, on any table, would stop every account's
feed, and a dump restored elsewhere would carry IDs from another server's future.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import psycopg

from infra.postgres.statements import statement
from retinue.errors import PermanentError


class FeedExpired(PermanentError):
    """Changes after the cursor are no longer kept, or it is of another database: read the records anew."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a record; its values are in no `repr`.

    Attributes:
        position: the cursor of whoever has dealt with it.
        change: a record that came back from being deleted is `added`.
        version: the one that the change made.
        before: of an update, the fields that changed with what they were; None also for a field that was not there.
        payload: the record as it is now, perhaps newer than the change; None where it is deleted now.
    """

    position: int
    at: datetime
    connection_id: int
    kind: str
    external_id: str
    change: Literal["added", "updated", "deleted"]
    version: int
    before: dict[str, Any] | None = field(repr=False)
    payload: dict[str, Any] | None = field(repr=False)


def read_changes(connection: psycopg.Connection, account_id: int, *, after: int, limit: int = 1000) -> list[Change]:
    """The next changes of an account after a position (0: from the beginning), in order; empty when there are none.

    Raises:
        FeedExpired: some of them are no longer kept; take `feed_position`, read the records, and go on from there.
    """
    params = {"account_id": account_id, "after": after, "limit": limit}
    rows = connection.execute(statement("read_changes"), params).fetchall()
    last = rows[0][0] if rows else 0
    changes = [Change(*row[1:]) for row in rows if row[1] is not None]
    expected = min(limit, last - after)
    if expected < 0 or [change.position for change in changes] != list(range(after + 1, after + 1 + expected)):
        raise FeedExpired(_explained(account_id, after, changes[0].position if changes else None, last))
    return changes


def _explained(account_id: int, after: int, first: int | None, last: int) -> str:
    if after > last:
        return f"the cursor {after} lies beyond the feed of account {account_id}, which ends at {last}: read anew"
    begins = "nothing of it" if first is None else f"what follows {first - 1}"
    return f"of the changes of account {account_id} after {after}, only {begins} is still kept: read the records anew"


def feed_position(connection: psycopg.Connection, account_id: int) -> int:
    """The last position that was given out; 0 before the first change.

    Who reads all records after asking and then the changes that follow misses none.
    """
    row = connection.execute(statement("read_feed_position"), {"account_id": account_id}).fetchone()
    return 0 if row is None else int(row[0])
