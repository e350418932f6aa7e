"""What operators do with types of work: look, pause, resume, set their limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from infra.postgres.lanes import MAX_LIMIT, unknown_type
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement


@dataclass(frozen=True, slots=True)
class TypeLine:
    """One type as its servants announced it, and how it stands.

    The limits are those that count; `limits_by_hand` says that an operator set them, and the declared ones are the
    code's. `pending` jobs wait in `lanes` lanes; `next_due_at` is when the first of those may start. `servants` are the
    live ones that take work, `live_slots` theirs; `busy` slots are those of the draining ones too.
    """

    type: str
    slots: int
    timeout_seconds: float
    lane_limit: int | None
    type_limit: int | None
    declared_lane_limit: int | None
    declared_type_limit: int | None
    limits_by_hand: bool
    order_policy: str | None
    paused_at: datetime | None
    in_flight: int
    pending: int
    next_due_at: datetime | None
    lanes: int
    servants: int
    live_slots: int
    busy: int
    draining: int


def list_types(
    connection: psycopg.Connection,
    *,
    alive_seconds: float,
    type: str | None = None,  # noqa: A002 - the word of the design
) -> list[TypeLine]:
    """Every type that a servant ever announced, or this one; servants count as live this long after a heartbeat."""
    return rows_as(connection, TypeLine, "list_types", {"alive_seconds": alive_seconds, "type": type})


def pause_type(connection: psycopg.Connection, job_type: str, *, paused: bool) -> None:
    """Dispatch nothing more of this type, or go on with it.

    Raises:
        NotFound: no servant of this type was ever there.
    """
    if connection.execute(statement("pause_type"), {"type": job_type, "paused": paused}).fetchone() is None:
        raise unknown_type(job_type)


def set_type_limits(
    connection: psycopg.Connection, job_type: str, *, lane_limit: int | None, type_limit: int | None
) -> None:
    """Let so many jobs of each lane, and of the whole type, be under way at once; None: any number.

    They stand until `declare_type_limits`, whatever the code says. What is under way goes on.
    The caller rings the bell.

    Raises:
        NotFound: no servant of this type was ever there.
        ValueError: a limit is not 1 to a million.
    """
    for limit in (lane_limit, type_limit):
        if limit is not None and not 1 <= limit <= MAX_LIMIT:
            raise ValueError(f"a limit is 1 to {MAX_LIMIT}, got {limit}")
    _set(connection, job_type, by_hand=True, lane_limit=lane_limit, type_limit=type_limit)


def declare_type_limits(connection: psycopg.Connection, job_type: str) -> None:
    """Go back to the limits that the type's code declares.

    Raises:
        NotFound: no servant of this type was ever there.
    """
    _set(connection, job_type, by_hand=False, lane_limit=None, type_limit=None)


def _set(
    connection: psycopg.Connection, job_type: str, *, by_hand: bool, lane_limit: int | None, type_limit: int | None
) -> None:
    params = {"type": job_type, "by_hand": by_hand, "lane_limit": lane_limit, "type_limit": type_limit}
    if connection.execute(statement("set_type_limits"), params).fetchone() is None:
        raise unknown_type(job_type)
