"""Dispatch: due jobs → SQS, within every limit, fairly, and no deeper than the servants can use soon.

Lanes with something due are known by their rows in `lanes`, so neither a held lane's backlog nor a long one is ever
scanned. A pass goes: fold the notes left in `lane_wakes` into the lanes, make ready those whose time has come, lock the
ready lanes that are furthest behind, share the room out among them, take their due jobs, and put each lane back in
line. Locked lanes are skipped by other schedulers. All of it is one transaction, and waits for answers only where it
needs them. The messages go out after its commit, or with it where they lie in the same database; a job whose message is
lost is sent again by rescue.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import psycopg

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.arrays import numbers, texts
from infra.postgres.connect import Database
from infra.postgres.statements import statement
from infra.queues.transport import Queues
from retinue.lanes import AGE_SECONDS
from scheduler.dispatch_traces import DispatchTraces
from scheduler.room import AHEAD_SECONDS, Room
from scheduler.sender import Sender
from scheduler.turns import ReadyLane, Turn, by_type, has_advanced, share_out, virtual_now
from scheduler.wakes import fold_lane_wakes

#: Lanes of one type served by one pass.
LANES_PER_TYPE = 200

#: How often one pass shares out the room that lanes with little to do have left over.
ROUNDS = 3

#: Pause before the next pass while there is more to do than the servants had room for, in seconds.
BUSY_SECONDS = 0.02

log = get_logger(__name__)


class Dispatch:
    """The pass."""

    def __init__(
        self,
        database: Database,
        queues: Queues,
        *,
        alive_seconds: float,
        age_seconds: float = AGE_SECONDS,
        traces: DispatchTraces | None = None,
    ) -> None:
        self._database = database
        self._sender = Sender(database, queues, traces)
        self._alive_seconds = alive_seconds
        self._age_seconds = age_seconds
        #: Types that had a limit of their own at the last look.
        self._limited: set[str] = set()

    def run_once(self) -> PassResult:
        """Send what is due.

        Raises:
            DatabaseUnreachable, psycopg.Error: nothing was dispatched.
            TransientError: a queue did not take its jobs, which were put back; those of the other types were sent.
        """
        with self._database.transaction(pipelined=True) as connection:
            rooms = self._rooms(connection)
            fold_lane_wakes(connection)
            turns = _take_turns(connection, rooms)
            _count_places(connection, turns)
            queued = self._dispatch(connection, rooms, turns)
            parcels = self._sender.pack(connection, rooms, queued)
        return PassResult(self._sender.send(parcels), again_after=_again_after(rooms, turns))

    def _rooms(self, connection: psycopg.Connection) -> dict[str, Room]:
        locked = [row[0] for row in connection.execute(statement("lock_limited_types"))] if self._limited else []
        params = {"alive_seconds": self._alive_seconds, "locked_types": locked}
        rooms = {row[0]: Room(*row) for row in connection.execute(statement("read_dispatch_room"), params)}
        self._limited = {room.type for room in rooms.values() if room.type_limit is not None}
        return rooms

    def _dispatch(
        self, connection: psycopg.Connection, rooms: dict[str, Room], turns: Sequence[Turn]
    ) -> dict[str, list[int]]:
        queued: defaultdict[str, list[int]] = defaultdict(list)
        for _ in range(ROUNDS):
            served = [turn for name, own in by_type(turns) for turn in _shared(own, rooms[name], len(queued[name]))]
            if not served:
                break
            _queue(connection, served, queued, self._age_seconds)
        if turns:
            _end_turns(connection, turns)
        return queued


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
    lanes = [ReadyLane._make(row) for row in connection.execute(statement("take_ready_lanes"), params)]
    return [Turn(lane if lane.mean_seconds else _guessed(lane, rooms[lane.type])) for lane in lanes]


def _count_places(connection: psycopg.Connection, turns: Sequence[Turn]) -> None:
    """What each lane's limit leaves. Counted from the jobs once the lane is locked: it can only become more."""
    limited = {(turn.lane.type, turn.lane.lane): turn for turn in turns if turn.lane.lane_limit is not None}
    if not limited:
        return
    params = {"types": texts(name for name, _ in limited), "lanes": texts(lane for _, lane in limited)}
    for job_type, lane, in_flight in connection.execute(statement("count_lanes_in_flight"), params):
        turn = limited[job_type, lane]
        turn.places = max(0, (turn.lane.lane_limit or 0) - in_flight)


def _guessed(lane: ReadyLane, room: Room) -> ReadyLane:
    """A lane of which nothing is known yet, as if its jobs were like those of all lanes."""
    return lane._replace(mean_seconds=room.mean_seconds)


def _shared(turns: list[Turn], room: Room, already: int) -> list[Turn]:
    """What is left of the type's room, shared out to the lanes that want more; those that get some."""
    left = room.jobs - already
    wanting = [turn for turn in turns if turn.wants_more]
    if left <= 0 or not wanting:
        return []
    share_out(wanting, left)
    return [turn for turn in wanting if turn.share > turn.sent]


def _queue(
    connection: psycopg.Connection, turns: Sequence[Turn], queued: defaultdict[str, list[int]], age_seconds: float
) -> None:
    """Mark the next jobs of these lanes as queued."""
    params = {
        **_lanes(turns),
        "shares": numbers(turn.share - turn.sent for turn in turns),
        "charges": numbers(turn.lane.charge for turn in turns),
        "age_seconds": age_seconds,
    }
    sent: Counter[tuple[str, str]] = Counter()
    for identity, job_type, lane in connection.execute(statement("dispatch_jobs"), params):
        queued[job_type].append(identity)
        sent[job_type, lane] += 1
    for turn in turns:
        turn.sent += sent[turn.lane.type, turn.lane.lane]


def _end_turns(connection: psycopg.Connection, turns: Sequence[Turn]) -> None:
    """Put each lane back in line by what went out, and note how far the types have come."""
    params: dict[str, Any] = {
        **_lanes(turns),
        "useds": numbers(turn.sent * turn.lane.charge for turn in turns),
        "sents": numbers(turn.sent for turn in turns),
        # A place that fell free meanwhile has left a note, which opens the lane again.
        "fulls": numbers(turn.at_limit for turn in turns),
    }
    connection.execute(statement("end_lane_turns"), params)
    times = {name: virtual_now(own) for name, own in by_type(turns) if has_advanced(own)}
    if not times:
        return
    # In one order: two schedulers may be at it.
    params = {"types": texts(sorted(times)), "virtual_times": numbers(times[name] for name in sorted(times))}
    connection.execute(statement("advance_virtual_times"), params)


def _lanes(turns: Sequence[Turn]) -> dict[str, Any]:
    return {
        "types": texts(turn.lane.type for turn in turns),
        "lanes": texts(turn.lane.lane for turn in turns),
        "ordered": numbers(turn.lane.ordered for turn in turns),
    }
