"""Whose turn it is: a type's room shared out over its lanes, so that each gets servants' time by its weight.

Every lane has a virtual time: the seconds of servants' time it has used, divided by its weight. Room goes to the lanes
that are furthest behind until all are level. A job counts with what a job of its lane usually takes from the moment it
is dispatched; servants report what it really took, and the note corrects the lane. (Start-time fair queueing: Goyal,
Vin and Cheng, SIGCOMM 1996.)
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: A job counts with at least this, so that lanes whose jobs take no time still take turns; in seconds.
LEAST_CHARGE_SECONDS = 0.0001

#: What a lane that joins the line may have used beyond the others and still has to wait for, in seconds: what it used
#: while nobody else wanted the servants is forgiven.
DEBT_SECONDS = 2.0


#: A type's virtual time is written when it has come so much further, in seconds.
CLOCK_STEP_SECONDS = 0.05


class ReadyLane(NamedTuple):
    """A lane that is ready and whose row is locked; in the order of `take_ready_lanes`."""

    type: str
    lane: str
    lane_limit: int | None
    ordered: bool
    weight: float
    virtual_time: float
    mean_seconds: float
    type_virtual_time: float = 0.0

    @property
    def charge(self) -> float:
        """Seconds that one job of this lane counts with."""
        return max(self.mean_seconds, LEAST_CHARGE_SECONDS)


@dataclass(slots=True)
class Turn:
    """A ready lane, how many of its jobs may go, and how many went."""

    lane: ReadyLane
    share: int = 0
    sent: int = 0
    #: Places that the lane's limit leaves; None where it has none.
    places: int | None = None

    @property
    def step(self) -> float:
        """What one more job adds to the lane's virtual time."""
        return self.lane.charge / self.lane.weight

    @property
    def reached(self) -> float:
        """The lane's virtual time with what went out."""
        return self.lane.virtual_time + self.sent * self.step

    @property
    def wants_more(self) -> bool:
        """Whether its share, and nothing else, stopped it."""
        return self.sent >= self.share and not self.at_limit

    @property
    def at_limit(self) -> bool:
        return self.places is not None and self.sent >= self.places


def share_out(turns: Sequence[Turn], room: int) -> None:
    """Give `room` more jobs to these lanes, those that are furthest behind first; sets each turn's share anew."""
    # From the hindmost on: where times are large the steps of light jobs would be lost in them.
    behind = min(turn.reached for turn in turns)
    level = _level([(turn.reached - behind, turn.step) for turn in turns], room)
    left = room
    for turn in sorted(turns, key=lambda turn: turn.reached):
        more = max(0, math.floor((level - (turn.reached - behind)) / turn.step))
        turn.share = turn.sent + min(more, left)
        left -= turn.share - turn.sent
    for turn in heapq.nsmallest(left, turns, key=lambda turn: turn.reached + (turn.share - turn.sent) * turn.step):
        turn.share += 1
    for turn in turns:
        if turn.places is not None:
            turn.share = min(turn.share, turn.places)


def _level(lanes: Sequence[tuple[float, float]], room: int) -> float:
    """The virtual time that `room` jobs lift the hindmost lanes to; each lane is (virtual time, rise per job)."""
    lanes = sorted(lanes)
    rate, base = 0.0, 0.0
    for n, (reached, step) in enumerate(lanes):
        rate += 1 / step
        base += reached / step
        level = (room + base) / rate
        if n + 1 == len(lanes) or level <= lanes[n + 1][0]:
            return level
    return 0.0


def virtual_now(turns: Sequence[Turn]) -> float:
    """Where a lane of this type that wakes now joins the line: beside the hindmost of those that still wait.

    A lane that its own limit stops falls behind without being owed anything, and does not count.
    """
    waiting = [turn.lane.virtual_time for turn in turns if turn.wants_more]
    return min(waiting) if waiting else max(turn.lane.virtual_time for turn in turns)


def has_advanced(turns: Sequence[Turn]) -> bool:
    """Whether the type's virtual time is worth a write."""
    return virtual_now(turns) > turns[0].lane.type_virtual_time + CLOCK_STEP_SECONDS


def by_type(turns: Sequence[Turn]) -> Iterator[tuple[str, list[Turn]]]:
    """The turns of each type."""
    types = dict.fromkeys(turn.lane.type for turn in turns)
    yield from ((name, [turn for turn in turns if turn.lane.type == name]) for name in types)
