"""What people do with incidents beside mending them: assign, mute; one, or all that say the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.breakers import close_by_hand, connection_scope
from infra.postgres.incidents import find_incident, lock_incidents, resolve_incidents, resolve_part
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.errors import NotFound


@dataclass(frozen=True, slots=True)
class IncidentGroup:
    """The open incidents of one fingerprint; `reason` is the newest one's.

    `assigned_to` is set where all are assigned to one person, `muted_by` where the fingerprint is muted.
    """

    fingerprint: str
    kind: str
    reason: str
    providers: list[str]
    first_opened_at: datetime
    last_opened_at: datetime
    incidents: int
    accounts: int
    assigned_to: str | None
    muted_by: str | None
    muted_until: datetime | None


def list_incident_groups(connection: psycopg.Connection, *, limit: int = 100) -> list[IncidentGroup]:
    """The open incidents by fingerprint: those of most accounts first, muted ones last."""
    return rows_as(connection, IncidentGroup, "list_incident_groups", {"limit": limit})


def assign_incident(connection: psycopg.Connection, incident_id: int, to: str | None) -> None:
    """Who sees to it; None is nobody. Raises NotFound."""
    _change_one(connection, incident_id, assigns=True, assigned_to=to)


def mute_incident(connection: psycopg.Connection, incident_id: int, *, by: str, until: datetime | None = None) -> None:
    """It is known: not told among the troubles, until then or until somebody ends it. Its lanes stay parked.

    Raises:
        NotFound: there is no such incident.
    """
    _change_one(connection, incident_id, mutes=True, muted_by=by, muted_until=until)


def unmute_incident(connection: psycopg.Connection, incident_id: int, *, alike: bool = True) -> None:
    """Tell of it again; where its fingerprint is muted that ends, too, unless `alike` says no. Raises NotFound."""
    found = find_incident(connection, incident_id)
    _change_one(connection, incident_id, mutes=True)
    if alike:
        connection.execute(statement("unmute_incidents"), {"fingerprint": found.fingerprint})


def assign_incidents(connection: psycopg.Connection, fingerprint: str, to: str | None) -> int:
    """Who sees to all that are open and say the same; how many they are."""
    return len(_change(connection, fingerprint=fingerprint, assigns=True, assigned_to=to))


def mute_incidents(connection: psycopg.Connection, fingerprint: str, *, by: str, until: datetime | None = None) -> None:
    """All that say the same are known, those that are still to come, too."""
    connection.execute(statement("mute_incidents"), {"fingerprint": fingerprint, "by": by, "until": until})


def unmute_incidents(connection: psycopg.Connection, fingerprint: str) -> None:
    """Tell of all that say the same again."""
    connection.execute(statement("unmute_incidents"), {"fingerprint": fingerprint})
    _change(connection, fingerprint=fingerprint, mutes=True)


def resolve_incident(connection: psycopg.Connection, incident_id: int, *, by: str) -> list[str] | None:
    """A person says that it is over: its lanes go on, and its connection's breaker closes; the types that go on.

    None where it was over already. If it is not over, the next job of the connection opens another incident. The caller
    rings the bell.

    Raises:
        NotFound: there is no such incident.
    """
    lock_incidents(connection, find_incident(connection, incident_id).connection_id)
    # Read again: somebody else may have had the lock.
    found = find_incident(connection, incident_id)
    if found.resolved_at is not None:
        return None
    if not found.is_probed:
        resolve_part(connection, found.connection_id, by=by)
        return []
    lanes = close_by_hand(connection, connection_scope(found.connection_id))
    lanes += resolve_incidents(connection, found.connection_id, by=by)
    return sorted({job_type for job_type, _ in lanes})


def _change_one(connection: psycopg.Connection, incident_id: int, **given: Any) -> None:
    if not _change(connection, id=incident_id, **given):
        raise NotFound(f"There is no incident {incident_id}. `retinue incidents list --resolved` shows all.")


def _change(connection: psycopg.Connection, **given: Any) -> list[int]:
    nothing: dict[str, Any] = dict.fromkeys(("id", "fingerprint", "assigned_to", "muted_by", "muted_until"))
    params = nothing | {"assigns": False, "mutes": False} | given
    return [row[0] for row in connection.execute(statement("change_incidents"), params)]
