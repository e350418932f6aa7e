"""Incidents: one for a connection whose credentials are refused, however many jobs meet it.

Its lanes are held until the next probe is due. Then the first job that comes to the gate is the probe; the others are
put back, and the lanes held again.

One kind holds nothing: a part of what the connection is for is not there, and the rest goes on. Whoever reads it opens
and resolves that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.breakers import Attempt, connection_scope
from infra.postgres.holds import Lane, release_holds
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.redaction import mask_text
from retinue.errors import NotFound
from retinue.fingerprint import fingerprint as fingerprint_of
from retinue.holds import HoldKind

#: The kind of incident that holds nothing.
PART = "part"

#: The wait before the first probe that nobody asked for, and the longest one; each that fails doubles it. In seconds.
FIRST_PROBE_SECONDS = 15 * 60.0
LONGEST_PROBE_SECONDS = 6 * 3600.0

#: The wait after a probe that found neither yes nor no, in seconds.
UNDECIDED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """One incident.

    `lanes` is how many lanes it holds, `fingerprint` the same for all whose reasons say the same. `muted_by` is set
    while it is muted, by itself or by its fingerprint; `muted_until` None then means until somebody ends that.
    """

    id: int
    account_id: int
    account_name: str
    connection_id: int
    provider: str
    connection_name: str
    kind: str
    reason: str
    opened_at: datetime
    job_id: int | None
    probe_at: datetime
    probes: int
    probe_job_id: int | None
    probed_at: datetime | None
    probe_error: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    lanes: int
    fingerprint: str
    assigned_to: str | None
    muted_by: str | None
    muted_until: datetime | None

    @property
    def is_probed(self) -> bool:
        """Whether it is open and jobs wait for a probe."""
        return self.resolved_at is None and self.kind != PART


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """What the lanes of a connection are held by."""

    id: int
    reason: str
    probe_at: datetime


def open_incident(
    connection: psycopg.Connection, connection_id: int, *, kind: str, reason: str, attempt: Attempt
) -> None:
    """Open an incident of this kind, in the transaction that puts the job back; if one is open nothing changes.

    Where `attempt` was its probe, the next probe comes later.
    """
    params = {
        "connection_id": connection_id,
        "kind": kind,
        "reason": reason,
        "fingerprint": fingerprint_of(kind, mask_text(reason)),
        "job_id": attempt.job_id,
        "attempt": attempt.number,
        "first_probe_seconds": FIRST_PROBE_SECONDS,
        "longest_probe_seconds": LONGEST_PROBE_SECONDS,
    }
    if connection.execute(statement("open_incident"), params).fetchone() is not None and kind != PART:
        connection.execute(statement("mark_connection_broken"), {"id": connection_id, "problem": reason})


def tell_of_part(connection: psycopg.Connection, connection_id: int, reason: str | None, *, attempt: Attempt) -> None:
    """Keep the connection's incident of what is missing: open with this reason, resolved where it is None."""
    resolve_part(connection, connection_id, by=f"job {attempt.job_id}", but=reason)
    if reason is not None:
        open_incident(connection, connection_id, kind=PART, reason=reason, attempt=attempt)


def resolve_part(connection: psycopg.Connection, connection_id: int, *, by: str, but: str | None = None) -> None:
    """Resolve what is open of the connection's incidents of what is missing, but one with this reason."""
    params = {"connection_id": connection_id, "by": by, "reason": but}
    connection.execute(statement("resolve_part_incident"), params)


def lock_incidents(connection: psycopg.Connection, connection_id: int) -> None:
    """Lock those that are open. Whoever changes the connection's row, too, does this first, as settling does."""
    connection.execute(statement("lock_incidents"), {"connection_id": connection_id})


def open_incidents(connection: psycopg.Connection, connection_id: int) -> list[OpenIncident]:
    """Those that are open and hold its lanes; they stay so until the caller's transaction ends."""
    return rows_as(connection, OpenIncident, "hold_incidents", {"connection_id": connection_id})


def take_probe(connection: psycopg.Connection, incident_id: int, attempt: Attempt) -> bool:
    """Make this attempt the probe; False where it is not time, or another one is."""
    params = {"id": incident_id, "job_id": attempt.job_id, "attempt": attempt.number}
    # By a statement of its own: one that waited for the row would still see the jobs as they were before.
    connection.execute(statement("lock_incident"), params)
    return connection.execute(statement("take_incident_probe"), params).fetchone() is not None


def resolve_incidents(
    connection: psycopg.Connection, connection_id: int, *, by: str, attempt: Attempt | None = None
) -> list[Lane]:
    """Resolve the connection's incidents, only those whose probe is `attempt` if it is given; the lanes that go on."""
    resolved = connection.execute(statement("resolve_incidents"), _of(connection_id, attempt) | {"by": by}).fetchall()
    if not resolved or open_incidents(connection, connection_id):
        return []
    connection.execute(statement("mark_connection_active"), {"id": connection_id})
    return release_holds(connection, [HoldKind.INCIDENT], scope=connection_scope(connection_id))


def postpone_probe(connection: psycopg.Connection, connection_id: int, attempt: Attempt, *, error: str) -> None:
    """The probe ended without an answer: another comes after a while."""
    params = _of(connection_id, attempt) | {"error": error, "seconds": UNDECIDED_SECONDS}
    connection.execute(statement("postpone_incident_probe"), params)


def request_probe(connection: psycopg.Connection, connection_id: int) -> list[int]:
    """Let the next job of the connection be a probe, at once; the incidents it is for. The caller rings the bell."""
    ids = [row[0] for row in connection.execute(statement("request_incident_probe"), _of(connection_id, None))]
    if ids:
        release_holds(connection, [HoldKind.INCIDENT], scope=connection_scope(connection_id))
    return ids


def list_incidents(
    connection: psycopg.Connection,
    *,
    connection_id: int | None = None,
    account_id: int | None = None,
    fingerprint: str | None = None,
    resolved: bool = False,
    before: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> list[IncidentLine]:
    """Incidents, the newest first; those that are over only with `resolved`.

    `before` is the `opened_at` and `id` of one: those older than it.
    """
    return _listed(
        connection,
        connection_id=connection_id,
        account_id=account_id,
        fingerprint=fingerprint,
        resolved=resolved,
        before=before and before[0],
        before_id=before and before[1],
        limit=limit,
    )


def find_incident(connection: psycopg.Connection, incident_id: int) -> IncidentLine:
    """One incident, open or not.

    Raises:
        NotFound: there is no such incident.
    """
    found = _listed(connection, id=incident_id, resolved=True)
    if not found:
        raise NotFound(f"There is no incident {incident_id}. `retinue incidents list --resolved` shows all.")
    return found[0]


def _listed(connection: psycopg.Connection, **given: Any) -> list[IncidentLine]:
    names = ("id", "connection_id", "account_id", "fingerprint", "before", "before_id")
    every: dict[str, Any] = dict.fromkeys(names)
    return rows_as(connection, IncidentLine, "list_incidents", every | {"limit": 1} | given)


def _of(connection_id: int, attempt: Attempt | None) -> dict[str, Any]:
    job_id, number = attempt or (None, None)
    return {"connection_id": connection_id, "job_id": job_id, "attempt": number}
