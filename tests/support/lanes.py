"""Lanes as a person handles them, and what is written about them."""

from __future__ import annotations

from typing import Any

import psycopg

from infra.postgres.holds import hold_lanes, release_holds
from retinue.holds import Hold, HoldKind
from scheduler.wakes import fold_lane_wakes
from tests.support.factories import ECHO

#: The parameters of ripening, as a pass gives them.
RIPEN = {"limit": 10_000, "debt_seconds": 2.0}


def pause(sql: psycopg.Connection, lane: str = "account:1", job_type: str = ECHO) -> None:
    """Pause a lane by hand."""
    with sql.transaction():
        hold_lanes(sql, [((job_type, lane), Hold(HoldKind.PAUSE, "", None, "by hand"))])


def resume(sql: psycopg.Connection, lane: str = "account:1") -> list[tuple[str, str]]:
    """Release a lane from all that holds it."""
    with sql.transaction():
        return release_holds(sql, list(HoldKind), lane=lane)


def holds(sql: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Every hold: lane, kind, reason."""
    return sql.execute("SELECT lane, kind, reason FROM lane_holds ORDER BY lane, kind, scope").fetchall()


def fold(sql: psycopg.Connection) -> None:
    """Fold the notes into the lanes."""
    with sql.transaction():
        fold_lane_wakes(sql)


def turn_of(*lanes: str, shares: int = 10, job_type: str = ECHO) -> dict[str, Any]:
    """The parameters of a turn for `dispatch_jobs` and `end_lane_turns`."""
    count = len(lanes)
    return {
        "types": [job_type] * count,
        "lanes": list(lanes),
        "fulls": [False] * count,
        "ordered": [False] * count,
        "shares": [shares] * count,
        "charges": [0.0] * count,
        "useds": [0.0] * count,
        "sents": [0] * count,
        "age_seconds": 600.0,
    }
