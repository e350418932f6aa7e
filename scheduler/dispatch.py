"""Dispatch: due jobs → SQS, within each lane's limit and no deeper than the servants can use soon.

Lanes with something due are known by their rows in `lanes`, so neither a paused lane's backlog nor a long one is ever
scanned. A turn goes: fold the notes left in `lane_wakes` into the lanes, lock the lanes whose turn has come, take their
due jobs, and put each lane back in the line. Locked lanes are skipped by other schedulers. All of it is one
transaction; the messages go out after its commit, and a job whose message is lost is sent again by rescue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.connect import Database
from infra.postgres.statements import statement
from infra.queues.body import split
from infra.queues.transport import Queues
from retinue.errors import TransientError
from scheduler.room import AHEAD_SECONDS, Room, shares

#: Lanes of one type served by one pass.
LANES_PER_TYPE = 200

#: Notes folded by one pass.
MAX_WAKES = 10_000

#: Pause before the next pass while there is more to do than the servants had room for, in seconds.
BUSY_SECONDS = 0.02

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """A due lane whose row is locked, and how many of its jobs may go."""

    type: str
    lane: str
    lane_limit: int | None
    share: int


class Dispatch:
    """The pass."""

    def __init__(self, database: Database, queues: Queues, *, alive_seconds: float) -> None:
        self._database = database
        self._queues = queues
        self._alive_seconds = alive_seconds

    def run_once(self) -> PassResult:
        """Send what is due.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was dispatched.
            TransientError: a queue did not take its jobs, which were put back; those of the other types were sent.
        """
        with self._database.transaction() as connection:
            rooms = self._rooms(connection)
            connection.execute(statement("fold_lane_wakes"), {"limit": MAX_WAKES})
            turns = _take_turns(connection, rooms)
            queued = _dispatch(connection, turns)
        sent = self._send_all(rooms, queued)
        return PassResult(sent, again_after=_again_after(rooms, turns))

    def _rooms(self, connection: psycopg.Connection) -> dict[str, Room]:
        rows = connection.execute(statement("read_dispatch_room"), {"alive_seconds": self._alive_seconds})
        return {row[0]: Room(*row) for row in rows}

    def _send_all(self, rooms: dict[str, Room], queued: dict[str, list[int]]) -> int:
        sent, failed = 0, None
        for job_type, ids in queued.items():
            try:
                sent += self._send(rooms[job_type], ids)
            except TransientError as error:
                failed = error
        if failed is not None:
            raise failed
        return sent

    def _send(self, room: Room, ids: Sequence[int]) -> int:
        try:
            result = self._queues.send(room.type, split(ids, room.ids_per_message))
        except TransientError as error:
            log.warning("send_failed", type=room.type, jobs=len(ids), error=str(error))
            self._put_back(ids)
            raise
        if result.failed_ids:
            log.warning("send_failed_in_part", type=room.type, jobs=len(result.failed_ids))
            self._put_back(result.failed_ids)
        return len(result.sent_ids)

    def _put_back(self, ids: Sequence[int]) -> None:
        """What was not sent waits in the table, not as `queued`."""
        self._database.fetch("put_back_unsent_jobs", {"ids": list(ids)})


def _again_after(rooms: dict[str, Room], turns: Sequence[Turn]) -> float | None:
    if turns:
        return BUSY_SECONDS
    # Nobody rings when a slot falls free; what was sent ahead lasts until the next look.
    return AHEAD_SECONDS / 2 if any(room.jobs == 0 for room in rooms.values()) else None


def _take_turns(connection: psycopg.Connection, rooms: dict[str, Room]) -> list[Turn]:
    open_types = [job_type for job_type, room in rooms.items() if room.jobs > 0]
    if not open_types:
        return []
    params = {"types": open_types, "lanes_per_type": LANES_PER_TYPE}
    due: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in connection.execute(statement("take_due_lanes"), params):
        due[row[0]].append(row)
    return [turn for job_type, lanes in due.items() for turn in _share_out(rooms[job_type], lanes)]


def _share_out(room: Room, lanes: list[tuple[Any, ...]]) -> Iterable[Turn]:
    served = lanes[: max(1, room.jobs)]
    for lane, share in zip(served, shares(room.jobs, len(served)), strict=True):
        yield Turn(lane[0], lane[1], lane[2], share)


def _dispatch(connection: psycopg.Connection, turns: Sequence[Turn]) -> dict[str, list[int]]:
    if not turns:
        return {}
    params = {
        "types": [turn.type for turn in turns],
        "lanes": [turn.lane for turn in turns],
        "lane_limits": [turn.lane_limit for turn in turns],
        "shares": [turn.share for turn in turns],
    }
    queued: defaultdict[str, list[int]] = defaultdict(list)
    for identity, job_type in connection.execute(statement("dispatch_jobs"), params):
        queued[job_type].append(identity)
    connection.execute(statement("end_lane_turns"), params)
    return queued
