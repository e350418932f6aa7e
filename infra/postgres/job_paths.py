"""Which index leads to the jobs that a query asks for, phase by phase.

First come those in flight, then those that wait, then those that have ended. What the index does not decide is decided
row by row, along the way: `infra.postgres.job_search` bounds how far that goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from infra.postgres.job_criteria import Criteria
from retinue.states import IN_FLIGHT, TERMINAL, JobState

#: Sorts behind every lane, whose characters are printable.
_AFTER_ALL_LANES = "\U0010ffff"

#: Rows of all that waits of some types or lanes that are read at once; beyond it they are searched for by number.
MAX_WAITING = 3_000

#: The same of what is in flight, which is seldom more than the servants have slots.
MAX_IN_FLIGHT = 10_000


class Phase(StrEnum):
    """The parts of a listing, in their order."""

    IN_FLIGHT = "in_flight"
    WAITING = "waiting"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Path:
    """A statement that leads to jobs in these states. `whole`: it reads all of them at once, at most so many."""

    statement: str
    states: frozenset[JobState]
    params: dict[str, Any] = field(default_factory=dict)
    whole: int | None = None


def paths(criteria: Criteria) -> Iterator[tuple[Phase, list[Path]]]:
    """For each phase the ways to its jobs, the narrowest first: the next is for where that one is too wide."""
    if criteria.nothing:
        return
    if criteria.query.ids:
        yield Phase.ENDED, [_by_key("look_jobs_by_id", criteria.states, criteria.query.ids, whole=MAX_WAITING)]
        return
    if in_flight := criteria.states & IN_FLIGHT:
        yield Phase.IN_FLIGHT, list(_in_flight(criteria, in_flight))
    if waiting := criteria.states & {JobState.PENDING}:
        yield Phase.WAITING, list(_waiting(criteria, waiting))
    if ended := criteria.states & TERMINAL:
        yield Phase.ENDED, [_ended(criteria, ended)]


def _in_flight(criteria: Criteria, states: frozenset[JobState]) -> Iterator[Path]:
    if by_key := _unfinished_by_key(criteria, states):
        yield by_key
        return
    yield Path("look_in_flight", states, whole=MAX_IN_FLIGHT)
    yield Path("look_unfinished", states)


def _waiting(criteria: Criteria, states: frozenset[JobState]) -> Iterator[Path]:
    if by_key := _unfinished_by_key(criteria, states):
        yield by_key
        return
    if criteria.types is not None or criteria.query.lanes:
        yield _of_types_and_lanes(criteria, states)
    yield Path("look_unfinished", states)


def _unfinished_by_key(criteria: Criteria, states: frozenset[JobState]) -> Path | None:
    """The way where an index has all that is unfinished of what the query names."""
    query = criteria.query
    if query.groups:
        return _by_key("look_unfinished_of_groups", states, query.groups)
    return _by_key("look_unfinished_of_schedules", states, query.schedules) if query.schedules else None


def _of_types_and_lanes(criteria: Criteria, states: frozenset[JobState]) -> Path:
    lanes = criteria.query.lanes
    params = {
        "keys": list(criteria.known_types if criteria.types is None else criteria.types),
        "first_lanes": list(lanes or ("",)),
        "last_lanes": list(lanes or (_AFTER_ALL_LANES,)),
    }
    return Path("look_pending_of_types", states, params, whole=MAX_WAITING)


def _ended(criteria: Criteria, states: frozenset[JobState]) -> Path:
    query, failed = criteria.query, JobState.COMPLETED not in states
    if query.retries_of:
        return _by_key("look_retries", states, query.retries_of)
    if query.groups:
        return _by_key("look_finished_of_groups", states, query.groups)
    if query.fingerprints and failed:
        return _by_key("look_failed_alike", states, query.fingerprints)
    if query.schedules:
        return _by_key("look_finished_of_schedules", states, query.schedules)
    if criteria.account_ids is not None:
        return _by_key(f"look_{'failed' if failed else 'finished'}_of_accounts", states, criteria.account_ids)
    if criteria.types is not None:
        return _by_key(f"look_{'failed' if failed else 'finished'}_of_types", states, criteria.types)
    return Path("look_failed", states) if failed else _by_key("look_finished_of_types", states, criteria.known_types)


def _by_key(name: str, states: frozenset[JobState], keys: Collection[Any], *, whole: int | None = None) -> Path:
    return Path(name, states, {"keys": list(keys)}, whole)
