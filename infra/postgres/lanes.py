"""What operators do with lanes and types: look, pause, resume, set a lane's weight and limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.holds import hold_lanes, release_holds
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.redaction import mask_text
from retinue.errors import NotFound
from retinue.holds import Hold, HoldKind

#: What a person's word releases a lane from: a pause, and the failed head of a strict order.
BY_HAND = (HoldKind.PAUSE, HoldKind.ORDER)


#: The largest limit of a lane; no servants have so many slots.
MAX_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class LaneLine:
    """One lane. `state` is held, full, ready, waiting (for `due_at`) or idle; `holds` are the reasons that hold it."""

    type: str
    lane: str
    weight: float
    lane_limit: int | None
    state: str
    due_at: datetime | None
    in_flight: int
    mean_seconds: float
    holds: Any


@dataclass(frozen=True, slots=True)
class TypeLine:
    """One type as its servants announced it."""

    type: str
    slots: int
    timeout_seconds: float
    lane_limit: int | None
    type_limit: int | None
    order_policy: str | None
    paused_at: datetime | None
    in_flight: int


def list_lanes(
    connection: psycopg.Connection,
    *,
    type: str | None = None,  # noqa: A002 - the word of the design
    lane: str | None = None,
    held: bool = False,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[LaneLine]:
    """Lanes by type and name, from behind `after`; only held ones if asked."""
    params = {"type": type, "lane": lane, "held": held, "limit": limit, "after_type": after[0], "after_lane": after[1]}
    lines = rows_as(connection, LaneLine, "list_lanes", params)
    for line in lines:
        for hold in line.holds:
            hold["reason"] = mask_text(hold["reason"])
    return lines


def pause_lane(connection: psycopg.Connection, job_type: str, lane: str, *, reason: str) -> None:
    """Start nothing more of this lane until it is resumed; what is under way goes on.

    Raises:
        NotFound: no servant of this type was ever there.
    """
    _require_type(connection, job_type)
    hold_lanes(connection, [((job_type, lane), Hold(HoldKind.PAUSE, "", None, reason))])


def resume_lane(connection: psycopg.Connection, job_type: str, lane: str) -> bool:
    """End the lane's pause, and its wait for the failed head of an order; False where it had neither."""
    _require_type(connection, job_type)
    return bool(release_holds(connection, BY_HAND, lane=lane, type=job_type))


def set_lane(
    connection: psycopg.Connection,
    job_type: str,
    lane: str,
    *,
    weight: float | None = None,
    limit: int | None = None,
    keep_limit: bool = True,
) -> None:
    """Change a lane's weight, unless None, and its limit, unless `keep_limit`; a limit of None is the type's own.

    Raises:
        NotFound: no servant of this type was ever there.
        ValueError: the weight is not 0.001 to 1000, or the limit not 1 to a million.
    """
    if weight is not None and not 0.001 <= weight <= 1000:
        raise ValueError(f"a weight is 0.001 to 1000, got {weight:g}")
    if limit is not None and limit < 1:
        raise ValueError(f"a limit is at least 1, got {limit}")
    if limit is not None and limit > MAX_LIMIT:
        raise ValueError(f"a limit is at most {MAX_LIMIT}, got {limit}")
    params = {"type": job_type, "lane": lane, "weight": weight, "limit": limit, "keep_limit": keep_limit}
    if connection.execute(statement("set_lane"), params).fetchone() is None:
        raise _unknown(job_type)


def list_types(connection: psycopg.Connection) -> list[TypeLine]:
    """Every type that a servant ever announced."""
    return rows_as(connection, TypeLine, "list_types")


def pause_type(connection: psycopg.Connection, job_type: str, *, paused: bool) -> None:
    """Dispatch nothing more of this type, or go on with it.

    Raises:
        NotFound: no servant of this type was ever there.
    """
    if connection.execute(statement("pause_type"), {"type": job_type, "paused": paused}).fetchone() is None:
        raise _unknown(job_type)


def _require_type(connection: psycopg.Connection, job_type: str) -> None:
    if not any(line.type == job_type for line in list_types(connection)):
        raise _unknown(job_type)


def _unknown(job_type: str) -> NotFound:
    return NotFound(f"No servant of type {job_type!r} was ever started here. `retinue types list` shows all.")
