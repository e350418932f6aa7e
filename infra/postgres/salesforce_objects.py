"""The objects of an org that a connection syncs, and how far each is. The writers run inside one commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg.types.json import Jsonb

from infra.postgres.holds import connection_lane
from infra.postgres.records import Executor
from infra.postgres.statements import statement
from retinue.connection import Connection
from retinue.job import Commit


class ObjectState(StrEnum):
    """How far an object is."""

    PENDING = "pending"  # nothing of it was read yet
    RECENT = "recent"  # its recent changes are being read
    HISTORY = "history"  # those are in, and the rest is being read
    LIVE = "live"  # all is in
    GONE = "gone"  # the org does not describe it any more


@dataclass(frozen=True, slots=True)
class SalesforceObject:
    """An object's row.

    Attributes:
        describe_modified: the `Last-Modified` of its description, as it was sent.
        reconciled: what the last reconciliation found.
        chosen: which of its fields a person wants; None is all.
        field_generation: grows whenever its fields change.
        position: how far it is followed, as its servant writes it.
    """

    connection_id: int
    account_id: int
    name: str
    label: str | None
    key_prefix: str | None
    state: ObjectState
    problem: str | None
    selected: bool
    bulk: bool
    described_at: datetime | None
    describe_modified: str | None
    synced_at: datetime | None
    reconciled_at: datetime | None
    reconciled: dict[str, Any] | None
    formulas_at: datetime | None
    chosen: list[str] | None
    field_generation: int
    position: dict[str, Any]


_STATE = 5


def list_objects(executor: Executor, connection_id: int, *, selected_only: bool = True) -> list[SalesforceObject]:
    """The objects of a connection, by name."""
    return _found(executor, connection_id, name=None, selected_only=selected_only)


def find_object(executor: Executor, connection_id: int, name: str) -> SalesforceObject | None:
    """One object, selected or not."""
    return next(iter(_found(executor, connection_id, name=name, selected_only=False)), None)


def _found(executor: Executor, connection_id: int, **params: Any) -> list[SalesforceObject]:
    rows = executor.execute(statement("list_salesforce_objects"), params | {"connection_id": connection_id})
    return [_object(list(row)) for row in rows]


def _object(row: list[Any]) -> SalesforceObject:
    row[_STATE] = ObjectState(row[_STATE])
    return SalesforceObject(*row)


def select_objects(tx: Commit, connection: Connection, names: Collection[str]) -> None:
    """Sync these objects and no others; what was read of others stays, with how far they were."""
    select_names(tx.connection, connection.id, connection.account_id, names)


def select_names(executor: Executor, connection_id: int, account_id: int, names: Collection[str]) -> None:
    """Like `select_objects`, outside of a job."""
    params = {"connection_id": connection_id, "account_id": account_id, "names": sorted(set(names))}
    executor.execute(statement("select_salesforce_objects"), params)


def choose_fields(executor: Executor, connection_id: int, name: str, fields: Collection[str] | None) -> None:
    """Read only these fields of an object, or all; the next sync describes it anew."""
    params = {"connection_id": connection_id, "name": name, "fields": None if fields is None else sorted(set(fields))}
    executor.execute(statement("choose_salesforce_fields"), params)


def save_state(
    tx: Commit, connection: Connection, name: str, state: ObjectState, *, problem: str | None = None
) -> None:
    """Note how far an object is, and what is wrong with it."""
    _write(tx, connection, name, "save_salesforce_state", {"state": state.value, "problem": problem})


def has_unfinished_backfill(tx: Commit, connection: Connection, name: str) -> bool:
    """Whether jobs that read an object's history wait or run."""
    params = {"lane": connection_lane(connection.id), "name": name}
    row = tx.connection.execute(statement("has_unfinished_backfill"), params).fetchone()
    return bool(row and row[0])


def note_described(
    tx: Commit,
    connection: Connection,
    name: str,
    *,
    label: str,
    key_prefix: str | None,
    modified: str | None,
    bulk: bool,
) -> None:
    """Note what an object's description says of it; `modified` is its `Last-Modified` as it was sent."""
    said = {"label": label, "key_prefix": key_prefix, "modified": modified, "bulk": bulk}
    _write(tx, connection, name, "note_salesforce_described", said)


def note_synced(tx: Commit, connection: Connection, name: str) -> None:
    """Note that an increment found all there was."""
    _write(tx, connection, name, "note_salesforce_synced", {})


def note_reconciled(tx: Commit, connection: Connection, name: str, report: Mapping[str, Any]) -> None:
    """Note that an object was compared with the org, and what was found."""
    _write(tx, connection, name, "note_salesforce_reconciled", {"report": Jsonb(dict(report))})


def note_formulas(tx: Commit, connection: Connection, name: str) -> None:
    """Note that an object's calculated fields were read again."""
    _write(tx, connection, name, "note_salesforce_formulas", {})


def _write(tx: Commit, connection: Connection, name: str, what: str, values: Mapping[str, Any]) -> None:
    tx.connection.execute(statement(what), {"connection_id": connection.id, "name": name, **values})
