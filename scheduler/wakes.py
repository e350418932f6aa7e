"""The notes in `lane_wakes`, folded into the lanes: when to look at each, what waits, and what its jobs have used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import psycopg

from infra.postgres.arrays import moments, numbers, texts
from infra.postgres.statements import statement
from scheduler.turns import DEBT_SECONDS

#: Notes folded, and lanes made ready, by one pass.
MAX_WAKES = 10_000


class _Note(NamedTuple):
    """All notes about one lane; in the order of `take_lane_wakes`."""

    type: str
    lane: str
    due_at: datetime | None
    charge: float
    run_seconds: float
    jobs: int
    pending: int


def fold_lane_wakes(connection: psycopg.Connection) -> None:
    """Fold the oldest notes into their lanes, and make ready those whose time has come."""
    rows = connection.execute(statement("take_lane_wakes"), {"limit": MAX_WAKES}).fetchall()
    notes = [_Note._make(row) for row in rows]
    if notes:
        params = _lanes(notes) | {
            "due_ats": moments(note.due_at for note in notes),
            "pendings": numbers(note.pending for note in notes),
            "debt_seconds": DEBT_SECONDS,
        }
        # All lanes, so that every one is locked, and in one order, before any is charged.
        connection.execute(statement("wake_lanes"), params)
    if used := [note for note in notes if note.jobs or note.charge]:
        connection.execute(statement("charge_lanes"), _lanes(used) | _used(used))
    connection.execute(statement("ripen_lanes"), {"limit": MAX_WAKES, "debt_seconds": DEBT_SECONDS})


def _lanes(notes: Sequence[_Note]) -> dict[str, str | float]:
    return {"types": texts(note.type for note in notes), "lanes": texts(note.lane for note in notes)}


def _used(notes: Sequence[_Note]) -> dict[str, str]:
    return {
        "charges": numbers(note.charge for note in notes),
        "run_seconds": numbers(note.run_seconds for note in notes),
        "jobs": numbers(note.jobs for note in notes),
    }
