"""Deleting: into the recycle bin with what belongs to a record, back out of it, and out of it for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.metadata import Schema, SObject
from infra.local.salesforce.results import RowFault
from infra.local.salesforce.row_values import Checker
from infra.local.salesforce.writer import Row, Writer

#: Makes the log of deletions.
LOG = (
    "CREATE TABLE IF NOT EXISTS sandbox_deletions (object TEXT NOT NULL, id TEXT NOT NULL, root TEXT NOT NULL, "
    "deleted_at TEXT NOT NULL, PRIMARY KEY (object, id))",
    "CREATE INDEX IF NOT EXISTS sandbox_deletions_by_time ON sandbox_deletions (object, deleted_at)",
    "CREATE INDEX IF NOT EXISTS sandbox_deletions_by_root ON sandbox_deletions (root)",
)


class Deletion:
    """One user's deletions in one transaction. References that do not cascade go on naming what is deleted."""

    def __init__(self, full: Schema, writer: Writer, checker: Checker, *, user_id: str, now: datetime) -> None:
        self._full = full
        self._writer = writer
        self._checker = checker
        self._marks: Row = {"LastModifiedById": user_id, "LastModifiedDate": stamp(now), "SystemModstamp": stamp(now)}
        self._now = now

    def delete(self, sobject: SObject, record_id: str) -> list[str]:
        """Put a record and all that belongs to it into the recycle bin; their ids.

        Raises:
            RowFault: it is not there, or something of it is locked.
        """
        row = self._writer.row(sobject, record_id)
        if row is None:
            raise RowFault("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if row["IsDeleted"]:
            raise RowFault("ENTITY_IS_DELETED", "entity is deleted")
        doomed = list(dict.fromkeys(self._family(sobject, record_id)))
        for _, one in doomed:
            self._checker.unlocked(one)
        for owner, one in doomed:
            self._mark(owner, one, deleted=True)
            self._writer.note_deleted(owner, one, record_id, self._now)
        return [one for _, one in doomed]

    def undelete(self, sobject: SObject, record_id: str) -> list[str]:
        """Take a record, and what was deleted along with it, out of the recycle bin; their ids.

        Raises:
            RowFault: it is not there, its parent is not, or a value of it is taken by now.
        """
        row = self._writer.row(sobject, record_id)
        if row is None or not row["IsDeleted"]:
            raise RowFault("UNDELETE_FAILED", "Entity is not in the recycle bin")
        self._checker.unlocked(record_id)
        self._need_parents(sobject, row)
        self._checker.unique(sobject, row, record_id)
        restored = self._rooted(record_id) or [(sobject, record_id)]
        for owner, one in restored:
            self._mark(owner, one, deleted=False)
            self._writer.forget_deleted(owner, one)
        return [one for _, one in restored]

    def purge(self, sobject: SObject, record_id: str) -> None:
        """Take a record, and what was deleted along with it, out of the bin for good; the log still tells of it.

        Raises:
            RowFault: it is not in the recycle bin.
        """
        row = self._writer.row(sobject, record_id)
        if row is None or not row["IsDeleted"]:
            raise RowFault("ENTITY_IS_NOT_DELETED", "Entity is not in the recycle bin")
        self._checker.unlocked(record_id)
        for owner, one in [*self._rooted(record_id), (sobject, record_id)]:
            self._writer.remove(owner, one)

    def _family(self, sobject: SObject, record_id: str) -> Iterator[tuple[SObject, str]]:
        """The record and, of whatever belongs to it, all that is not deleted yet."""
        yield sobject, record_id
        for relation in self._full.children(sobject):
            if relation.field.cascade:
                for child in self._writer.ids(relation.child, relation.field.name, record_id):
                    yield from self._family(relation.child, child)

    def _rooted(self, root: str) -> list[tuple[SObject, str]]:
        found = self._writer.connection.execute("SELECT object, id FROM sandbox_deletions WHERE root = ?", (root,))
        return [(self._full.object(name), one) for name, one in found.fetchall() if self._full.find(name)]

    def _need_parents(self, sobject: SObject, row: Row) -> None:
        for field in sobject.fields:
            parent_id = str(row[field.name]) if field.cascade and not field.nillable else None
            parent = self._full.of_id(parent_id) if parent_id else None
            if parent and parent_id and (self._writer.row(parent, parent_id) or {"IsDeleted": 1}).get("IsDeleted"):
                raise RowFault("UNDELETE_FAILED", f"The record's parent is deleted: {parent_id}")

    def _mark(self, sobject: SObject, record_id: str, *, deleted: bool) -> None:
        marks = {name: value for name, value in self._marks.items() if sobject.find(name)}
        self._writer.update(sobject, record_id, marks | {"IsDeleted": int(deleted)})
