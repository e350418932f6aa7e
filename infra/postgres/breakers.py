"""Circuit breakers in PostgreSQL: a failure is written when it happens, a success only when it closes one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg

from infra.postgres.arrays import moments
from infra.postgres.holds import Lane, hold_connection_lanes, release_holds
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.breaker import Breaker, BreakerState, Circuit, failed
from retinue.holds import Hold, HoldKind


class Attempt(NamedTuple):
    """A job and the number of its attempt."""

    job_id: int
    number: int


@dataclass(frozen=True, slots=True)
class BreakerLine:
    """One breaker that is not closed, and whose it is where it is one connection's."""

    scope: str
    state: str
    openings: int
    reason: str
    opened_at: datetime
    probe_at: datetime
    probe_job_id: int | None
    connection_id: int | None = None
    provider: str | None = None
    connection_name: str | None = None
    account_name: str | None = None

    @property
    def named(self) -> str:
        """Whose it is, for people: `imap inbox of Acme (connection 7)`, or its scope."""
        if self.connection_id is None:
            return self.scope
        return f"{self.provider} {self.connection_name} of {self.account_name} (connection {self.connection_id})"


def connection_scope(connection_id: int) -> str:
    """The breaker of one connection."""
    return f"connection:{connection_id}"


def provider_scope(provider: str) -> str:
    """The breaker of all connections to one provider."""
    return f"provider:{provider}"


def record_failure(
    connection: psycopg.Connection, scope: str, policy: Breaker, *, attempt: Attempt, reason: str
) -> Circuit:
    """Count a failed call, in the caller's transaction; where that opens a connection's breaker its lanes are held.

    A provider's lanes are held one by one, as their next jobs come.
    """
    connection.execute(statement("add_breaker"), {"scope": scope})
    before, now = _lock(connection, scope)
    after = failed(before, policy, attempt=(attempt.job_id, attempt.number), now=now)
    if after != before:
        _save(connection, scope, after, reason)
    opened = after.state is BreakerState.OPEN and before.state is not BreakerState.OPEN
    if opened and scope.startswith("connection:"):
        hold_connection_lanes(connection, int(scope.partition(":")[2]), hold_of(scope, after, reason))
    return after


def hold_of(scope: str, circuit: Circuit, reason: str) -> Hold:
    """What holds the lanes behind an open breaker."""
    return Hold(HoldKind.BREAKER, scope, circuit.probe_at, f"The breaker of {scope} is open: {reason}")


def take_probe(connection: psycopg.Connection, scope: str, attempt: Attempt) -> bool:
    """Make this attempt the probe; False where it is not time, or another one is."""
    # By a statement of its own: one that waited for the row would still see the jobs as they were before.
    connection.execute(statement("lock_breaker"), {"scope": scope})
    return connection.execute(statement("take_breaker_probe"), _probe(scope, attempt)).fetchone() is not None


def close_breaker(connection: psycopg.Connection, scope: str, attempt: Attempt) -> bool:
    """The probe succeeded: close the breaker and let its lanes go; False where this attempt is not the probe."""
    if connection.execute(statement("close_breaker"), _probe(scope, attempt)).fetchone() is None:
        return False
    release_holds(connection, [HoldKind.BREAKER], scope=scope)
    return True


def close_by_hand(connection: psycopg.Connection, scope: str) -> list[Lane]:
    """A person found that calls succeed: close the breaker, whatever its probe comes to; the lanes that go on."""
    params = {"scope": scope, "job_id": None, "attempt": None}
    if connection.execute(statement("close_breaker"), params).fetchone() is None:
        return []
    return release_holds(connection, [HoldKind.BREAKER], scope=scope)


def give_back_probe(connection: psycopg.Connection, scope: str, attempt: Attempt) -> None:
    """The probe ended without an answer: the next job is one."""
    connection.execute(statement("give_back_breaker_probe"), _probe(scope, attempt))


def open_until(connection: psycopg.Connection, scope: str) -> datetime | None:
    """When the breaker's next probe is due, None where it is closed; that stays until the caller's transaction ends."""
    row = connection.execute(statement("hold_breaker_open"), {"scope": scope}).fetchone()
    return None if row is None else row[0]


def list_breakers(connection: psycopg.Connection, *, limit: int = 100) -> list[BreakerLine]:
    """Those that are not closed, the longest open first."""
    return rows_as(connection, BreakerLine, "list_breakers", {"limit": limit})


def _lock(connection: psycopg.Connection, scope: str) -> tuple[Circuit, datetime]:
    row = connection.execute(statement("lock_breaker"), {"scope": scope}).fetchone()
    if row is None:
        raise RuntimeError(f"the breaker of {scope} was deleted")
    state, failed_at, openings, probe_at, job_id, number, now = row
    probe = None if job_id is None else (job_id, number)
    return Circuit(BreakerState(state), tuple(failed_at), openings, probe_at, probe), now


def _save(connection: psycopg.Connection, scope: str, circuit: Circuit, reason: str) -> None:
    params = {
        "scope": scope,
        "state": circuit.state,
        "failed_at": moments(circuit.failed_at),
        "openings": circuit.openings,
        "probe_at": circuit.probe_at,
        "reason": reason,
    }
    connection.execute(statement("save_breaker"), params)


def _probe(scope: str, attempt: Attempt) -> dict[str, object]:
    return {"scope": scope, "job_id": attempt.job_id, "attempt": attempt.number}
