"""Objects as a sync holds them: their row with its position, their fields, and the lock that writers of records take.

Whoever stores records of an object takes its row first: those who only read history share it (`share`), who moves the
position has it alone (`hold`). Both see whether the fields are those that the records were read with. The account's
feed is taken after that, never before: so no two writers wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from psycopg.types.json import Jsonb

from infra.postgres.records import Executor, Target
from infra.postgres.salesforce_fields import SalesforceField, list_fields
from infra.postgres.salesforce_objects import ObjectState, SalesforceObject, find_object, list_objects
from retinue.connection import Connection
from retinue.errors import TransientError
from retinue.job import Commit
from servants.salesforce.contents import DELETED, ID, STAMPS
from servants.salesforce.position import Position

#: Fields that Salesforce works out, which their description does not tell ("ContractLineItem" in the Object Reference).
SILENT = {"ContractLineItem": ("Status",)}


class FieldsChanged(TransientError):
    """The object's fields are others than the rows were read with: they are read again."""

    provider_failed = False


@dataclass(frozen=True)
class OrgObject:
    """An object with its fields. `position` is None before its first reading has begun."""

    row: SalesforceObject
    fields: tuple[SalesforceField, ...]
    target: Target

    @property
    def name(self) -> str:
        return self.row.name

    @cached_property
    def position(self) -> Position | None:
        return Position.of_json(self.row.position) if "settled" in self.row.position else None

    @property
    def has_log(self) -> bool:
        """Whether the org keeps a log of its deletions."""
        return bool(self.row.position.get("has_log", True))

    @property
    def is_live(self) -> bool:
        """Whether its history is in."""
        return self.row.state is ObjectState.LIVE

    @cached_property
    def read(self) -> list[SalesforceField]:
        """The fields that are read."""
        return [field for field in self.fields if field.stale_at is None]

    @cached_property
    def names(self) -> list[str]:
        return [field.name for field in self.read]

    @cached_property
    def kept(self) -> list[str]:
        """Fields that are read no more, whose values are kept."""
        return [field.name for field in self.fields if field.stale_at is not None]

    @cached_property
    def calculated(self) -> list[SalesforceField]:
        """Fields that may change without a new stamp."""
        silent = SILENT.get(self.name, ())
        return [field for field in self.read if field.calculated or field.name in silent]

    @cached_property
    def stamp(self) -> str | None:
        """The field that tells that a row changed."""
        return next((name for name in STAMPS if name in self.names), None)

    def with_marks(self, names: Sequence[str]) -> list[str]:
        """These fields, and before them those that make a record of a row: Id, stamp and whether it is deleted."""
        marks = [ID, *filter(None, [self.stamp]), *([DELETED] if DELETED in self.names else [])]
        return list(dict.fromkeys([*marks, *names]))


def load_objects(executor: Executor, connection: Connection) -> list[OrgObject]:
    """The objects that are synced."""
    return [_object(executor, connection, row) for row in list_objects(executor, connection.id)]


def load_object(executor: Executor, connection: Connection, name: str) -> OrgObject | None:
    """One object, if it is synced."""
    row = find_object(executor, connection.id, name)
    return None if row is None or not row.selected else _object(executor, connection, row)


def _object(executor: Executor, connection: Connection, row: SalesforceObject) -> OrgObject:
    fields = list_fields(executor, connection.id, row.name, with_stale=True)
    return OrgObject(row, tuple(fields), Target.of(connection, row.name))


def lock_fields(tx: Commit, target: Target) -> None:
    """Keep everybody else from storing records of the object until this commit ends, whatever its fields are."""
    statement = "SELECT FROM salesforce_objects WHERE connection_id = %s AND name = %s FOR NO KEY UPDATE"
    tx.execute(statement, (target.connection_id, target.kind))


def share(tx: Commit, target: Target, *, generation: int) -> None:
    """Keep the object's fields as they are until this commit ends.

    Raises:
        FieldsChanged: they are not what they were; nothing was written.
    """
    _lock(tx, target, "FOR SHARE", generation)


def hold(tx: Commit, target: Target, *, generation: int) -> Position | None:
    """Keep everybody else from writing its position or its fields until this commit ends; the position as it is now.

    Raises:
        FieldsChanged: its fields are not what they were; nothing was written.
    """
    stored = _lock(tx, target, "FOR NO KEY UPDATE", generation)
    return Position.of_json(stored) if "settled" in stored else None


def _lock(tx: Commit, target: Target, lock: str, generation: int) -> dict[str, Any]:
    statement = (
        "SELECT field_generation, position FROM salesforce_objects"  # noqa: S608 - one of two constant locks
        f" WHERE connection_id = %(connection_id)s AND name = %(kind)s AND selected {lock}"
    )
    row = tx.execute(statement, target.params).fetchone()
    if row is None or row[0] != generation:
        raise FieldsChanged(f"the fields of {target.kind} changed, or it is synced no more")
    position: dict[str, Any] = row[1]
    return position


def save_position(tx: Commit, target: Target, position: Position) -> None:
    """Note how far the object is followed; the caller holds it."""
    statement = "UPDATE salesforce_objects SET position = %(position)s WHERE connection_id = %(id)s AND name = %(name)s"
    tx.execute(statement, {"position": Jsonb(position.as_json()), "id": target.connection_id, "name": target.kind})


def next_generation(tx: Commit, target: Target) -> None:
    """Note that the object's fields changed: what was read with the earlier ones can be stored no more."""
    statement = (
        "UPDATE salesforce_objects SET field_generation = field_generation + 1"
        " WHERE connection_id = %(connection_id)s AND name = %(kind)s"
    )
    tx.execute(statement, target.params)


def note_log(tx: Commit, target: Target, *, has_log: bool) -> None:
    """Note whether the org keeps a log of the object's deletions."""
    statement = (
        "UPDATE salesforce_objects SET position = position || jsonb_build_object('has_log', %(has_log)s::boolean)"
        " WHERE connection_id = %(connection_id)s AND name = %(kind)s"
    )
    tx.execute(statement, target.params | {"has_log": has_log})


def moment(tx: Commit) -> datetime:
    """Now, on the clock by which readings are ordered."""
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    now: datetime = row[0]
    return now
