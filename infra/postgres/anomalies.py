"""Anomalies for people: what jobs found odd, by fingerprint; resolved, muted, assigned, open again when they come back.

Jobs append sightings; `scheduler.anomalies` folds them into one row for each fingerprint and one for each account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg

from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.errors import NotFound
from retinue.fingerprint import is_fingerprint


class AnomalyState(StrEnum):
    """What people said of it."""

    OPEN = "open"
    MUTED = "muted"  # it is counted, and told nobody
    RESOLVED = "resolved"  # until it is seen again


@dataclass(frozen=True, slots=True)
class AnomalyLine:
    """All anomalies of one fingerprint.

    `reason` is without what changes from one time to the next; `accounts` is how many met it, and `reopened_at` when it
    was seen again after it was resolved.
    """

    id: int
    fingerprint: str
    type: str
    name: str
    reason: str
    state: str
    first_seen_at: datetime
    last_seen_at: datetime
    seen: int
    accounts: int
    assigned_to: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    reopened_at: datetime | None
    muted_at: datetime | None
    muted_until: datetime | None
    muted_by: str | None


@dataclass(frozen=True, slots=True)
class AnomalyOfAccount:
    """What one account has of an anomaly; `job_id`, `connection_id` and `sample` are of the last time.

    `account_id` None stands for jobs of no account.
    """

    account_id: int | None
    account_name: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    seen: int
    connection_id: int | None
    job_id: int
    sample: dict[str, Any]


def list_anomalies(
    connection: psycopg.Connection,
    *,
    states: Sequence[AnomalyState] | None = (AnomalyState.OPEN,),
    account_id: int | None = None,
    type: str | None = None,  # noqa: A002 - the word of the design
    before: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> list[AnomalyLine]:
    """Anomalies, the last seen first; those beyond `before`, which is the `last_seen_at` and `id` of one."""
    return _listed(
        connection,
        states=None if states is None else [state.value for state in states],
        account_id=account_id,
        type=type,
        before=before and before[0],
        before_id=before and before[1],
        limit=limit,
    )


def find_anomaly(connection: psycopg.Connection, id_or_fingerprint: str) -> AnomalyLine:
    """One anomaly, by its ID or its fingerprint.

    Raises:
        NotFound: there is no such anomaly.
    """
    found = []
    if is_fingerprint(id_or_fingerprint):
        found = _listed(connection, fingerprint=id_or_fingerprint)
    if not found and id_or_fingerprint.isdecimal() and len(id_or_fingerprint) < 19:
        found = _listed(connection, id=int(id_or_fingerprint))
    if not found:
        raise NotFound(f"There is no anomaly {id_or_fingerprint[:40]!r}. `retinue anomalies list --all` shows all.")
    return found[0]


def anomaly_of_id(connection: psycopg.Connection, anomaly_id: int) -> AnomalyLine:
    """One anomaly. Raises NotFound."""
    found = _listed(connection, id=anomaly_id)
    if not found:
        raise _none(anomaly_id)
    return found[0]


def accounts_of(
    connection: psycopg.Connection, anomaly_id: int, *, after: int = -1, limit: int = 100
) -> list[AnomalyOfAccount]:
    """The accounts that met an anomaly, in the order of their IDs, those beyond `after`; no account counts as 0."""
    params = {"anomaly_id": anomaly_id, "after": after, "limit": limit}
    return rows_as(connection, AnomalyOfAccount, "list_anomaly_accounts", params)


def resolve_anomaly(connection: psycopg.Connection, anomaly_id: int, *, by: str) -> None:
    """It was seen to: not shown until it is seen again. Raises NotFound."""
    _mark(connection, anomaly_id, resolved_by=by)


def mute_anomaly(connection: psycopg.Connection, anomaly_id: int, *, by: str, until: datetime | None = None) -> None:
    """It is known: not shown however often it is seen, until then or until somebody ends it. Raises NotFound."""
    _mark(connection, anomaly_id, muted_by=by, muted_until=until)


def reopen_anomaly(connection: psycopg.Connection, anomaly_id: int) -> None:
    """Neither resolved nor muted any more. Raises NotFound."""
    _mark(connection, anomaly_id)


def assign_anomaly(connection: psycopg.Connection, anomaly_id: int, to: str | None) -> None:
    """Who sees to it; None is nobody. Raises NotFound."""
    params = {"id": anomaly_id, "assigned_to": to}
    if connection.execute(statement("assign_anomaly"), params).fetchone() is None:
        raise _none(anomaly_id)


def _mark(connection: psycopg.Connection, anomaly_id: int, **given: Any) -> None:
    marks = {"resolved_by": None, "muted_by": None, "muted_until": None} | given
    if connection.execute(statement("mark_anomaly"), marks | {"id": anomaly_id}).fetchone() is None:
        raise _none(anomaly_id)


def _listed(connection: psycopg.Connection, **given: Any) -> list[AnomalyLine]:
    every: dict[str, Any] = dict.fromkeys(("id", "fingerprint", "states", "account_id", "type", "before", "before_id"))
    return rows_as(connection, AnomalyLine, "list_anomalies", every | {"limit": 1} | given)


def _none(anomaly_id: int) -> NotFound:
    return NotFound(f"There is no anomaly {anomaly_id}. `retinue anomalies list --all` shows all.")
