"""Writes settlements: finished jobs move to history, the others go back to pending. Every write is fenced."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from infra.postgres.arrays import moments, numbers, texts
from infra.postgres.obstacles import place_holds
from infra.postgres.statements import statement
from retinue.settlement import Settlement
from retinue.states import TERMINAL, JobState, Reason

#: A settlement and the seconds its attempt ran; None where it is not known.
Entry = tuple[Settlement, float | None]


@dataclass(frozen=True, slots=True)
class Settled:
    """Which (job, attempt) were written; the others had lost their lease. `lanes_woken`: dispatch has work."""

    done: frozenset[tuple[int, int]]
    lanes_woken: bool


def settle_jobs(connection: psycopg.Connection, entries: Sequence[Entry], *, shard: int) -> Settled:
    """Settle a batch in the caller's transaction.

    A job that was put back although someone asked for its cancellation is cancelled instead.
    """
    # Rows are locked in the order of the arrays; one order for everybody avoids deadlocks.
    entries = sorted(entries, key=lambda entry: entry[0].job_id)
    finished = [entry for entry in entries if entry[0].state in TERMINAL]
    back = [entry for entry in entries if entry[0].state is JobState.PENDING]
    done, woken = _finish(connection, finished, shard=shard)
    put_back: _Done = {}
    cancelled: _Done = {}
    if back:
        put_back = _written(connection.execute(statement("put_back_jobs"), _put_back_columns(back)))
        unwritten = [_as_cancelled(e) for e in back if (e[0].job_id, e[0].attempt) not in put_back]
        cancelled, _ = _finish(connection, unwritten, shard=shard, only_cancelled=True)
        woken = True
    # All at once, because of the order in which lanes are locked. What was cancelled instead holds nothing.
    _hold(connection, entries, done | put_back)
    return Settled(frozenset(done | put_back | cancelled), woken)


#: (job, attempt) → its (type, lane).
_Done = dict[tuple[int, int], tuple[str, str]]


def _written(rows: Iterable[tuple[Any, ...]]) -> _Done:
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def _hold(connection: psycopg.Connection, entries: Sequence[Entry], done: _Done) -> None:
    held = [(settlement, done.get((settlement.job_id, settlement.attempt))) for settlement, _ in entries]
    place_holds(connection, [(lane, s) for s, lane in held if s.hold is not None and lane is not None])


def _finish(
    connection: psycopg.Connection, entries: Sequence[Entry], *, shard: int, only_cancelled: bool = False
) -> tuple[_Done, bool]:
    if not entries:
        return {}, False
    params = _finish_columns(entries) | {"shard": shard, "only_cancelled": only_cancelled}
    rows = connection.execute(statement("finish_jobs"), params).fetchall()
    return _written(rows), any(row[4] for row in rows[:1])


def _finish_columns(entries: Sequence[Entry]) -> dict[str, Any]:
    settlements = [settlement for settlement, _ in entries]
    return {
        "ids": numbers(s.job_id for s in settlements),
        "attempts": numbers(s.attempt for s in settlements),
        "states": texts(s.state for s in settlements),
        "reasons": texts(s.reason for s in settlements),
        "results": texts(s.result for s in settlements),
        "errors": texts(_json(s.error) for s in settlements),
        "evidences": texts(_json(s.evidence) for s in settlements),
        "failed_attempts": numbers(int(s.failed_attempt) for s in settlements),
        "run_seconds": numbers(seconds for _, seconds in entries),
    }


def _put_back_columns(entries: Sequence[Entry]) -> dict[str, Any]:
    settlements = [settlement for settlement, _ in entries]
    return {
        "ids": numbers(s.job_id for s in settlements),
        "attempts": numbers(s.attempt for s in settlements),
        "reasons": texts(s.reason for s in settlements),
        "delays": numbers(s.delay for s in settlements),
        "untils": moments(s.until for s in settlements),
        "errors": texts(_json(s.error) for s in settlements),
        "evidences": texts(_json(s.evidence) for s in settlements),
        "failed_attempts": numbers(int(s.failed_attempt) for s in settlements),
    }


def _as_cancelled(entry: Entry) -> Entry:
    settlement, seconds = entry
    cancelled = Settlement(
        job_id=settlement.job_id,
        attempt=settlement.attempt,
        state=JobState.CANCELLED,
        reason=Reason.CANCEL,
        error=settlement.error,
        evidence=settlement.evidence,
    )
    return cancelled, seconds


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value)
