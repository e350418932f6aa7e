"""Enqueueing jobs with unique keys: exact under concurrency, set-based, and without deadlocks.

A call's locks come in phases, each in one order for everybody: kept keys by key, then the index entries of new jobs by
key, then the rows of the jobs that hold a key by ID. Whoever finds that a holder has moved on meanwhile rolls back to
where it began, which gives up its locks, and starts over: so no order is ever broken, and no running job stays locked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from infra.postgres.arrays import moments, numbers, texts
from infra.postgres.statements import statement
from retinue.unique import OnConflict, Over, Unique

#: Jobs written by one statement of a bulk enqueue: larger ones gain nothing and hold more memory.
BULK_ROWS = 5000

#: A job's columns in the order of a row: tuples, because a bulk enqueue makes very many of them.
Row = tuple[Any, ...]
COLUMNS = (
    "type",
    "account_id",
    "lane",
    "priority",
    "run_at",
    "payload",
    "request_id",
    "retry_of",
    "ordered",
    "group_id",
)
_ARRAYS: tuple[Callable[[Any], str], ...] = (
    *(texts, numbers, texts, numbers, moments),
    *(texts, texts, numbers, numbers, numbers),
)


class Effect(StrEnum):
    """What an enqueue did."""

    CREATED = "created"
    IGNORED = "ignored"  # the key is held; nothing was changed
    REPLACED = "replaced"  # the waiting job got the new payload
    MOVED = "moved"  # the waiting job got another `run_at`, and from `later` the new payload


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The job that was made or that holds the unique key, and what the call did."""

    id: int
    effect: Effect = Effect.CREATED

    @property
    def created(self) -> bool:
        return self.effect is Effect.CREATED


#: A job to be made and its rules.
Keyed = tuple[Row, Unique]


class _HolderMovedOn(Exception):
    """A key's holder was claimed, or has ended, between two looks."""


def insert_keyed(connection: psycopg.Connection, jobs: Sequence[Keyed]) -> list[Enqueued]:
    """Make these jobs, or do to the holders of their keys what their rules say; in the order given."""
    if len(jobs) == 1:
        made = _insert_alone(connection, *jobs[0])
        if made is not None:
            return [made]
    while True:
        try:
            with _savepoint(connection):
                return _insert_all(connection, jobs)
        except _HolderMovedOn:
            continue


def columns_of(rows: Iterable[Row]) -> dict[str, Any]:
    """The rows' columns as array parameters."""
    columns = zip(*rows, strict=True)
    return {name: array(column) for name, array, column in zip(COLUMNS, _ARRAYS, columns, strict=True)}


def execute(connection: psycopg.Connection, name: str, params: dict[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run a named statement over the caller's connection, whatever shape of rows that one gives."""
    return connection.cursor(row_factory=tuple_row).execute(statement(name), params)


def _insert_alone(connection: psycopg.Connection, row: Row, unique: Unique) -> Enqueued | None:
    """The common case in one cheap statement; None where there is more to do."""
    if unique.for_period is not None:
        return None
    keys = {"unique_key": unique.key, "unique_waiting": unique.over == Over.WAITING}
    made = execute(connection, "enqueue_job", dict(zip(COLUMNS, row, strict=True)) | keys).fetchone()
    if made is not None:
        return Enqueued(made[0])
    if unique.on_conflict == OnConflict.IGNORE:
        ((holder, _),) = _find_holders(connection, [(row, unique)])
        # The holder may have ended between the two statements; then the key is free again.
        return None if holder is None else Enqueued(holder, Effect.IGNORED)
    return None


@contextmanager
def _savepoint(connection: psycopg.Connection) -> Iterator[None]:
    if not connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        # Begins the caller's own transaction; without one the block below would be it, and commit.
        connection.execute("SELECT")
    with connection.transaction():
        yield


def _insert_all(connection: psycopg.Connection, jobs: Sequence[Keyed]) -> list[Enqueued]:
    made: dict[int, Enqueued] = {}
    for numbers_ in _rounds(jobs):
        chosen = [jobs[n] for n in numbers_]
        made.update(zip(numbers_, _insert_distinct(connection, chosen), strict=True))
    return [made[n] for n in range(len(jobs))]


def _rounds(jobs: Sequence[Keyed]) -> list[list[int]]:
    """The jobs' numbers ordered by key; the second job with a key goes into the second round, and so on."""
    seen: defaultdict[tuple[str, str], int] = defaultdict(int)
    rounds: defaultdict[int, list[int]] = defaultdict(list)
    for n in sorted(range(len(jobs)), key=lambda n: _key(jobs[n])):
        rounds[seen[_key(jobs[n])]].append(n)
        seen[_key(jobs[n])] += 1
    return list(rounds.values())


def _key(job: Keyed) -> tuple[str, str]:
    row, unique = job
    return row[0], unique.key


def _insert_distinct(connection: psycopg.Connection, jobs: Sequence[Keyed]) -> list[Enqueued]:
    """These jobs, each with a key of its own, in the order of their keys."""
    made = [one for start in range(0, len(jobs), BULK_ROWS) for one in _insert(connection, jobs[start:][:BULK_ROWS])]
    unmade = [n for n, one in enumerate(made) if one is None]
    held = dict(zip(unmade, _meet_holders(connection, [jobs[n] for n in unmade]), strict=True))
    return [held[n] if one is None else one for n, one in enumerate(made)]


def _insert(connection: psycopg.Connection, jobs: Sequence[Keyed]) -> list[Enqueued | None]:
    rules = [unique for _, unique in jobs]
    params = columns_of(row for row, _ in jobs) | {
        "unique_key": texts(unique.key for unique in rules),
        "unique_waiting": numbers(int(unique.over == Over.WAITING) for unique in rules),
        "period": numbers(_seconds(unique) for unique in rules),
    }
    rows = execute(connection, "enqueue_unique_jobs", params).fetchall()
    # Kept for a job that was not made, because one made before the period is unfinished yet.
    spare = [(job, identity) for job, (identity, is_made, is_kept) in zip(jobs, rows, strict=True) if is_kept > is_made]
    if spare:
        ids = {"ids": numbers(identity for _, identity in spare)}
        execute(connection, "release_job_keys", _keys([job for job, _ in spare]) | ids)
    return [Enqueued(identity) if is_made else None for identity, is_made, _ in rows]


def _seconds(unique: Unique) -> float | None:
    return None if unique.for_period is None else unique.for_period.total_seconds()


def _keys(jobs: Sequence[Keyed]) -> dict[str, str]:
    return {"types": texts(row[0] for row, _ in jobs), "keys": texts(unique.key for _, unique in jobs)}


def _find_holders(connection: psycopg.Connection, jobs: Sequence[Keyed]) -> list[tuple[int | None, bool]]:
    """For each job the one that holds its key, and whether that waits."""
    params = _keys(jobs) | {"periods": numbers(_seconds(unique) for _, unique in jobs)}
    return [(row[0], row[1]) for row in execute(connection, "find_key_holders", params)]


def _meet_holders(connection: psycopg.Connection, jobs: Sequence[Keyed]) -> list[Enqueued]:
    if not jobs:
        return []
    changes: dict[int, Keyed] = {}
    holders: list[int] = []
    for job, (holder, waits) in zip(jobs, _find_holders(connection, jobs), strict=True):
        if holder is None:
            raise _HolderMovedOn
        holders.append(holder)
        if waits and job[1].on_conflict != OnConflict.IGNORE:
            changes[holder] = job
    effects = _change(connection, changes)
    return [Enqueued(holder, effects.get(holder, Effect.IGNORED)) for holder in holders]


def _change(connection: psycopg.Connection, changes: dict[int, Keyed]) -> dict[int, Effect]:
    """Do to each holder what its call's rules say; returns what was done, where anything was."""
    if not changes:
        return {}
    ids = {"ids": numbers(changes)}
    if execute(connection, "lock_key_holders", ids).rowcount < len(changes):
        raise _HolderMovedOn
    rules = [unique for _, unique in changes.values()]
    params = columns_of(row for row, _ in changes.values()) | ids
    params["on_conflict"] = texts(unique.on_conflict for unique in rules)
    params["max_wait"] = numbers(None if rule.max_wait is None else rule.max_wait.total_seconds() for rule in rules)
    return {identity: Effect(effect) for identity, effect in execute(connection, "change_key_holders", params)}
