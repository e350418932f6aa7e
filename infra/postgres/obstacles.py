"""Holds that settling a job places: they are checked against what they stand for, so that none outlives it.

A probe may succeed, and release everything, just before a job that met the obstacle earlier is put back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import psycopg

from infra.postgres.breakers import Attempt, open_until
from infra.postgres.holds import Lane, connection_lanes, hold_lanes
from infra.postgres.incidents import open_incident, open_incidents
from retinue.holds import Hold, HoldKind
from retinue.settlement import Settlement

#: A budget that comes back sooner than this holds the job's own lane alone, in seconds.
WHOLE_CONNECTION_SECONDS = 10.0

#: Jobs that meet a probe under way look again after this long, unless the probe's success lets them go before.
PROBE_WAIT_SECONDS = 15.0


def place_holds(connection: psycopg.Connection, held: Sequence[tuple[Lane, Settlement]]) -> None:
    """Hold the lanes of jobs that were just put back, and where a whole connection is concerned all its lanes."""
    alike: dict[tuple[HoldKind, str], list[tuple[Lane, Settlement]]] = {}
    for lane, settlement in held:
        if settlement.hold is not None:
            alike.setdefault((settlement.hold.kind, settlement.hold.scope), []).append((lane, settlement))
    # In one order, because what they stand for stays locked until the transaction ends.
    hold_lanes(connection, [placed for key in sorted(alike) for placed in _place(connection, alike[key])])


def _place(connection: psycopg.Connection, alike: Sequence[tuple[Lane, Settlement]]) -> Iterator[tuple[Lane, Hold]]:
    """What jobs with holds of one kind and scope are held by: the first one's words, checked."""
    for _, settlement in alike:
        if settlement.incident is not None and settlement.hold is not None:
            _open(connection, settlement, settlement.hold)
    first = alike[0][1].hold
    for hold in _true(connection, first) if first is not None else ():
        yield from ((lane, hold) for lane in _concerned(connection, hold))
        yield from ((lane, hold) for lane, _ in alike)


def connection_of(scope: str) -> int | None:
    """The connection that a scope is about, if it is about one."""
    kind, _, identity = scope.partition(":")
    return int(identity) if kind == "connection" and identity.isdecimal() else None


def _open(connection: psycopg.Connection, settlement: Settlement, hold: Hold) -> None:
    connection_id = connection_of(hold.scope)
    if connection_id is not None and settlement.incident is not None:
        attempt = Attempt(settlement.job_id, settlement.attempt)
        open_incident(connection, connection_id, kind=settlement.incident, reason=hold.reason, attempt=attempt)


def _true(connection: psycopg.Connection, hold: Hold) -> Iterator[Hold]:
    """The hold, until the next probe of what it stands for; none where that is over."""
    connection_id = connection_of(hold.scope)
    if hold.kind is HoldKind.INCIDENT and connection_id is not None:
        due = [incident.probe_at for incident in open_incidents(connection, connection_id)]
    elif hold.kind is HoldKind.BREAKER:
        probe_at = open_until(connection, hold.scope)
        due = [] if probe_at is None else [probe_at]
    else:
        yield hold
        return
    if due:
        yield hold._replace(until=max([*due, *_while_probed(hold)]))


def _while_probed(hold: Hold) -> Iterator[datetime]:
    """A probe that is due or under way: whoever met it looks again after a moment."""
    if hold.until is not None:
        yield min(hold.until, datetime.now(UTC) + timedelta(seconds=PROBE_WAIT_SECONDS))


def _concerned(connection: psycopg.Connection, hold: Hold) -> list[Lane]:
    """The other lanes that wait for the same."""
    connection_id = connection_of(hold.scope)
    if connection_id is None or hold.until is None:
        return []
    if hold.kind is HoldKind.BUDGET and hold.until - datetime.now(UTC) < timedelta(seconds=WHOLE_CONNECTION_SECONDS):
        return []
    return connection_lanes(connection, connection_id)
