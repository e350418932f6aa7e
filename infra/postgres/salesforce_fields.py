"""The fields of an org's objects as they were last described, and what a new description changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from infra.postgres.records import Executor
from infra.postgres.statements import statement
from retinue.connection import Connection
from retinue.job import Commit


class StaleReason(StrEnum):
    """Why a field is described no more."""

    PERMISSION = "permission"  # field-level security hides it
    DELETED = "deleted"  # it was deleted in the org
    UNKNOWN = "unknown"


class NewField(NamedTuple):
    """A field as it is described; `details` are what else a sync needs of it (JSON)."""

    name: str
    type: str
    details: Mapping[str, Any] = {}
    calculated: bool = False


@dataclass(frozen=True, slots=True)
class SalesforceField:
    """A field's row, in the order of the description."""

    object: str
    name: str
    type: str
    details: dict[str, Any]
    calculated: bool
    position: int
    first_seen_at: datetime
    stale_at: datetime | None
    stale_reason: StaleReason | None


class Retyped(NamedTuple):
    """A field whose type changed."""

    name: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Drift:
    """What a new description changes: names in its order, then those that vanished.

    Attributes:
        added: fields never described before; all of them where an object is described for the first time.
        returned: fields that were stale.
    """

    added: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    retyped: list[Retyped] = field(default_factory=list)


def list_fields(
    executor: Executor, connection_id: int, object_name: str, *, with_stale: bool = False
) -> list[SalesforceField]:
    """The fields of an object that are described, and on request those that once were."""
    params = {"connection_id": connection_id, "object": object_name, "with_stale": with_stale}
    rows = executor.execute(statement("list_salesforce_fields"), params)
    return [_field(list(row)) for row in rows]


def _field(row: list[Any]) -> SalesforceField:
    row[-1] = None if row[-1] is None else StaleReason(row[-1])
    return SalesforceField(*row)


def save_fields(tx: Commit, connection: Connection, object_name: str, fields: Sequence[NewField]) -> Drift:
    """Store a description; what vanished is marked stale for a reason yet unknown, and never dropped."""
    known = {one.name: one for one in list_fields(tx, connection.id, object_name, with_stale=True)}
    drift = _drift(known, fields)
    params = {
        "connection_id": connection.id,
        "account_id": connection.account_id,
        "object": object_name,
        "names": [one.name for one in fields],
        "types": [one.type for one in fields],
        "details": [Jsonb(dict(one.details)) for one in fields],
        "calculated": [one.calculated for one in fields],
    }
    tx.connection.execute(statement("save_salesforce_fields"), params)
    mark_stale(tx, connection, object_name, drift.vanished)
    return drift


def mark_stale(
    tx: Commit,
    connection: Connection,
    object_name: str,
    names: Collection[str],
    *,
    reason: StaleReason = StaleReason.UNKNOWN,
) -> None:
    """Mark fields as described no more, or note why they are."""
    params = {"connection_id": connection.id, "object": object_name, "names": list(names), "reason": reason.value}
    tx.connection.execute(statement("mark_salesforce_fields_stale"), params)


def _drift(known: Mapping[str, SalesforceField], fields: Sequence[NewField]) -> Drift:
    described = {one.name for one in fields}
    drift = Drift(vanished=[name for name, one in known.items() if one.stale_at is None and name not in described])
    for one in fields:
        before = known.get(one.name)
        if before is None:
            drift.added.append(one.name)
            continue
        if before.stale_at is not None:
            drift.returned.append(one.name)
        if before.type != one.type:
            drift.retyped.append(Retyped(one.name, before.type, one.type))
    return drift
