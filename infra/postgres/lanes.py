"""What operators do with lanes: look, pause, resume, set a lane's weight and limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.enqueue import key_faults
from infra.postgres.holds import hold_lanes, release_holds
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.redaction import mask_text
from retinue.errors import NotAllowed, NotFound
from retinue.holds import Hold, HoldKind

#: What a person's word releases a lane from: a pause, and the failed head of a strict order.
BY_HAND = (HoldKind.PAUSE, HoldKind.ORDER)


#: The largest limit of a lane; no servants have so many slots.
MAX_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class LaneLine:
    """One lane. `state` is held, full, ready, waiting (for `due_at`) or idle; `holds` are the reasons that hold it.

    `own_limit` is the lane's own limit, `lane_limit` the one that counts. The account is that of its name, as in
    `account:7` or `connection_id:12`; a lane of another name has none.
    """

    type: str
    lane: str
    weight: float
    own_limit: int | None
    lane_limit: int | None
    state: str
    due_at: datetime | None
    pending: int
    in_flight: int
    account_id: int | None
    account_name: str | None
    mean_seconds: float
    holds: Any


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits of one account, in so many `lanes`, of which `held` are held; None: of lanes of no one account."""

    account_id: int | None
    account_name: str | None
    pending: int
    lanes: int
    held: int
    next_due_at: datetime | None


def lane_target(job_type: str, lane: str) -> str:
    """What stands for a lane where operators' actions are written down; of a very long name the beginning."""
    return f"{job_type} {lane}"[:400]


def list_lanes(
    connection: psycopg.Connection,
    *,
    type: str | None = None,  # noqa: A002 - the word of the design
    lane: str | None = None,
    held: bool = False,
    waiting: bool = False,
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[LaneLine]:
    """Lanes by type and name, from behind `after`; only held ones, or those with pending jobs, if asked."""
    params = {"type": type, "lane": lane, "held": held, "waiting": waiting, "limit": limit}
    params |= {"after_type": after[0], "after_lane": after[1]}
    lines = rows_as(connection, LaneLine, "list_lanes", params)
    for line in lines:
        for hold in line.holds:
            hold["reason"] = mask_text(hold["reason"])
    return lines


def find_lane(connection: psycopg.Connection, job_type: str, lane: str) -> LaneLine:
    """One lane.

    Raises:
        NotFound: no job of it was ever made, and nobody ever set it.
    """
    found = list_lanes(connection, type=job_type, lane=lane)
    if not found:
        raise NotFound(f"There is no lane {lane} of {job_type}: one appears with its first job.")
    return found[0]


def lane_holders(connection: psycopg.Connection, job_type: str, lane: str, *, limit: int = 50) -> list[int]:
    """The jobs of a lane that are under way, the oldest first."""
    params = {"type": job_type, "lane": lane, "limit": limit}
    return [row[0] for row in connection.execute(statement("list_lane_holders"), params)]


def list_backlogs(
    connection: psycopg.Connection,
    *,
    type: str | None = None,  # noqa: A002 - the word of the design
    limit: int = 50,
) -> list[Backlog]:
    """The accounts of which most waits, by what the lanes keep of their pending jobs; of one type if asked."""
    return rows_as(connection, Backlog, "list_backlogs", {"type": type, "limit": limit})


def pause_lane(connection: psycopg.Connection, job_type: str, lane: str, *, reason: str) -> None:
    """Start nothing more of this lane until it is resumed; what is under way goes on.

    Raises:
        NotFound: no servant of this type was ever there.
        NotAllowed: no lane can have this name.
    """
    _require_name(lane)
    require_type(connection, job_type)
    hold_lanes(connection, [((job_type, lane), Hold(HoldKind.PAUSE, "", None, reason))])


def resume_lane(connection: psycopg.Connection, job_type: str, lane: str) -> bool:
    """End the lane's pause, and its wait for the failed head of an order; False where it had neither."""
    require_type(connection, job_type)
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
        NotAllowed: no lane can have this name.
        ValueError: the weight is not 0.001 to 1000, or the limit not 1 to a million.
    """
    _require_name(lane)
    if weight is not None and not 0.001 <= weight <= 1000:
        raise ValueError(f"a weight is 0.001 to 1000, got {weight:g}")
    if limit is not None and limit < 1:
        raise ValueError(f"a limit is at least 1, got {limit}")
    if limit is not None and limit > MAX_LIMIT:
        raise ValueError(f"a limit is at most {MAX_LIMIT}, got {limit}")
    params = {"type": job_type, "lane": lane, "weight": weight, "limit": limit, "keep_limit": keep_limit}
    if connection.execute(statement("set_lane"), params).fetchone() is None:
        raise unknown_type(job_type)


def _require_name(lane: str) -> None:
    if not lane:
        raise NotAllowed("Say which lane, such as account:7.")
    for fault in key_faults("lane", lane):
        raise NotAllowed(f"There is no such lane: {fault}.")


def require_type(connection: psycopg.Connection, job_type: str) -> None:
    """Raises NotFound where no servant of this type was ever there."""
    if connection.execute(statement("find_type"), {"type": job_type}).fetchone() is None:
        raise unknown_type(job_type)


def unknown_type(job_type: str) -> NotFound:
    """No servant ever announced this type."""
    return NotFound(f"No servant of type {job_type!r} was ever started here. `retinue types list` shows all.")
