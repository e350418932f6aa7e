"""Synced records: pages of them are merged into what is stored, and every change is noted in the account's feed.

Each function runs inside one commit. A merge takes the account's feed until that commit ends, so that positions of the
feed become visible in their order: merge late in a commit, and commit soon. What an account's connections merge at
once waits in line; other accounts never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from infra.postgres.record_values import NewRecord, canonical, content_hash, moment_of, version_of
from infra.postgres.statements import statement
from retinue.connection import Connection
from retinue.errors import PermanentError, TransientError
from retinue.job import Commit

__all__ = [
    "Merged",
    "NewRecord",
    "ReplacementOver",
    "Target",
    "content_hash",
    "moment_of",
    "stage_and_merge",
    "version_of",
]


class ReplacementOver(TransientError):
    """The reading that these records belong to is not the one under way: begin again."""


class Executor(Protocol):
    """A commit or a connection."""

    def execute(self, query: Any, params: Any = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go: what a connection has of one kind."""

    connection_id: int
    account_id: int
    kind: str

    @classmethod
    def of(cls, connection: Connection, kind: str) -> Target:
        """A kind of a connection's records; for Salesforce the API name of an object."""
        return cls(connection.id, connection.account_id, kind)

    @property
    def params(self) -> dict[str, Any]:
        """As parameters of a statement."""
        return {"connection_id": self.connection_id, "account_id": self.account_id, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did; a record is `added` where it is new or came back from being deleted.

    `unchanged` are those whose content is stored already, or that were older than what is.
    """

    added: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0

    @property
    def changed(self) -> int:
        """How many changes the feed was given."""
        return self.added + self.updated + self.deleted

    def __add__(self, other: Merged) -> Merged:
        return Merged(
            self.added + other.added,
            self.updated + other.updated,
            self.deleted + other.deleted,
            self.unchanged + other.unchanged,
        )


def stage_and_merge(
    tx: Commit,
    target: Target,
    rows: Iterable[NewRecord],
    *,
    observed_at: datetime,
    generation: int | None = None,
    mend: bool = False,
) -> Merged:
    """Bring the stored records up to what one answer of the provider tells, and note what changed in the feed.

    A record of a higher version replaces the stored one. So does one of the same version that was read later: a moment
    of whole seconds may hold two changes, and formula fields change without a new version. Nothing is written for one
    that is stored already. `rows` are streamed; of a record that is there twice, the higher version counts, else the
    later one.

    Args:
        observed_at: when the request began that told of them; for Bulk API when its job was made.
        generation: of the replacement that these rows belong to, see `infra.postgres.record_replacements`.
        mend: whether a lower version replaces a higher one that was read before, for what is known to be wrong.

    Raises:
        ReplacementOver: `generation` is not the one under way; nothing was written.
        PermanentError: the connection was deleted; nothing was written.
    """
    stage(tx, rows)
    take_feed(tx, target)
    if generation is not None:
        _hold_replacement(tx, target, generation)
    params = target.params | {"observed_at": observed_at, "generation": generation, "mend": mend}
    # Never prepared: the best plan for a table that is empty is the worst once it is full.
    merged = tx.connection.execute(statement("merge_records"), params, prepare=False).fetchone()
    added, updated, deleted, told = merged
    return Merged(added, updated, deleted, told - added - updated - deleted)


def merge_fields(tx: Commit, target: Target, rows: Iterable[NewRecord], *, observed_at: datetime) -> Merged:
    """Lay some fields over the stored payloads, for what changes without a new version.

    Records that are not stored, deleted, or read since `observed_at` are left alone, and count nowhere.

    Raises:
        PermanentError: the connection was deleted; nothing was written.
    """
    stage(tx, rows)
    take_feed(tx, target)
    params = target.params | {"observed_at": observed_at}
    found = tx.connection.execute(statement("overlay_records"), params, prepare=False).fetchall()
    return (
        stage_and_merge(tx, target, (NewRecord(*row) for row in found), observed_at=observed_at) if found else Merged()
    )


def stage(tx: Commit, rows: Iterable[NewRecord]) -> None:
    """Copy rows into the session's own table, where the next statement finds them and nothing else."""
    tx.connection.execute(statement("stage_records"))
    # Not TRUNCATE, which would write to the catalogue.
    tx.execute("DELETE FROM pg_temp.staged_records")
    columns = "external_id, version, content_hash, payload, deleted_at"
    with tx.connection.cursor() as cursor, cursor.copy(f"COPY pg_temp.staged_records ({columns}) FROM STDIN") as copy:
        for line in _lines(rows):
            copy.write_row(line)


def _lines(rows: Iterable[NewRecord]) -> Iterator[tuple[Any, ...]]:
    for external_id, version, payload, deleted_at in rows:
        if payload is None:
            yield external_id, version, None, None, deleted_at
        else:
            text = canonical(payload)
            yield external_id, version, content_hash(external_id, text), text, deleted_at


def take_feed(tx: Commit, target: Target) -> None:
    """Take the account's feed until the commit ends.

    Raises:
        PermanentError: the connection was deleted.
    """
    tx.connection.execute(statement("lock_records"), target.params)
    # A statement of its own, which sees what was committed while the lock was waited for.
    if tx.connection.execute(statement("find_record_connection"), target.params).fetchone() is None:
        raise PermanentError(f"connection {target.connection_id} of account {target.account_id} was deleted")


def _hold_replacement(tx: Commit, target: Target, generation: int) -> None:
    found = tx.connection.execute(statement("find_replacement"), target.params).fetchone()
    if found is None or found[0] != generation:
        raise ReplacementOver(f"the reading {generation} of {target.kind} was ended or begun again")
