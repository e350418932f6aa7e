"""Holds lanes back, and lets them go again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from infra.postgres.arrays import moments, texts
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.holds import Hold, HoldKind
from retinue.order import order_scope

#: A type and one of its lanes.
Lane = tuple[str, str]


@dataclass(frozen=True, slots=True)
class HeldLane:
    """One reason that holds one lane; `until` None: until it is released."""

    type: str
    lane: str
    kind: HoldKind
    scope: str
    until: datetime | None
    reason: str
    held_at: datetime


def hold_lanes(connection: psycopg.Connection, holds: Sequence[tuple[Lane, Hold]]) -> None:
    """Hold each lane for its reason, in the caller's transaction; one that is not there yet is made.

    Nothing of these lanes is dispatched from its commit on; what is on the queue or runs is not touched. Of two holds
    of one kind and scope the longer one counts, and the first one's words stay.
    """
    if not holds:
        return
    params = {
        "types": texts(lane[0] for lane, _ in holds),
        "lanes": texts(lane[1] for lane, _ in holds),
        "kinds": texts(hold.kind for _, hold in holds),
        "scopes": texts(hold.scope for _, hold in holds),
        "untils": moments(hold.until for _, hold in holds),
        "reasons": texts(hold.reason for _, hold in holds),
    }
    connection.execute(statement("hold_lanes"), params)


def connection_lane(connection_id: int) -> str:
    """The lane of the jobs whose type says `lane="connection_id"`."""
    return f"connection_id:{connection_id}"


def hold_connection_lanes(connection: psycopg.Connection, connection_id: int, hold: Hold) -> list[Lane]:
    """Hold every lane of one connection, of whatever type; which ones."""
    lanes = connection_lanes(connection, connection_id)
    hold_lanes(connection, [(lane, hold) for lane in lanes])
    return lanes


def connection_lanes(connection: psycopg.Connection, connection_id: int) -> list[Lane]:
    """Every lane of one connection, of whatever type."""
    rows = connection.execute(statement("list_connection_lanes"), {"lane": connection_lane(connection_id)})
    return [(row[0], row[1]) for row in rows]


def release_holds(
    connection: psycopg.Connection,
    kinds: Iterable[HoldKind],
    *,
    scope: str | None = None,
    lane: str | None = None,
    type: str | None = None,  # noqa: A002 - the word of the design
) -> list[Lane]:
    """End the holds of these kinds, of one scope, one lane, or one type's lane, in the caller's transaction.

    Returns the lanes that had one. A lane starts again once nothing else holds it; the caller rings the bell.

    Raises:
        ValueError: neither `scope` nor `lane` was given; that would release everything.
    """
    if scope is None and lane is None:
        raise ValueError("release_holds needs a scope or a lane")
    params = {"kinds": list(kinds), "scope": scope, "lane": lane, "type": type}
    # The lanes are locked first and by a statement of its own, so that the next one sees every hold on them.
    locked = connection.execute(statement("lock_held_lanes"), params).fetchall()
    if not locked:
        return []
    lanes = {"types": texts(row[0] for row in locked), "lanes": texts(row[1] for row in locked)}
    return [(row[0], row[1]) for row in connection.execute(statement("release_holds"), params | lanes)]


def release_order_of(connection: psycopg.Connection, job_ids: Iterable[int]) -> None:
    """End the holds of the lanes whose order waits for one of these jobs, in the caller's transaction."""
    scopes = {"scopes": texts(order_scope(job_id) for job_id in job_ids)}
    for scope, _, lane in connection.execute(statement("list_order_holds"), scopes).fetchall():
        release_holds(connection, [HoldKind.ORDER], scope=scope, lane=lane)


def list_holds(connection: psycopg.Connection, job_type: str, lane: str) -> list[HeldLane]:
    """What holds this lane now, the longest standing reason first."""
    return rows_as(connection, HeldLane, "list_lane_holds", {"type": job_type, "lane": lane})
