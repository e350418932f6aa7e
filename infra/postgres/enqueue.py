"""Enqueueing jobs inside the caller's own transaction."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from pydantic import BaseModel

from infra.postgres.arrays import moments, numbers, texts
from infra.postgres.bell import Bell
from infra.postgres.statements import statement
from retinue.errors import InvalidPayload
from retinue.payload import validate_payload
from retinue.servant import ServantType, load_servant

if TYPE_CHECKING:
    from sqlalchemy import Connection as CoreConnection
    from sqlalchemy.orm import Session

#: Jobs written by one statement of a bulk enqueue: larger ones gain nothing and hold more memory.
BULK_ROWS = 5000

PRIORITIES = range(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be made. `run_at` None is now; `priority` 0 is the most urgent, 9 the least."""

    type: str
    payload: Mapping[str, Any] | BaseModel
    account_id: int | None = None
    run_at: datetime | None = None
    priority: int = 5
    unique_key: str | None = None
    request_id: str | None = None
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The job's ID; `created` is False where an unfinished job held the unique key already."""

    id: int
    created: bool


def enqueue(
    session: Session | CoreConnection | psycopg.Connection,
    type: str,  # noqa: A002 - the word of the design; the builtin is not needed here
    payload: Mapping[str, Any] | BaseModel | None = None,
    *,
    account_id: int | None = None,
    run_at: datetime | None = None,
    priority: int = 5,
    unique_key: str | None = None,
) -> Enqueued:
    """Make one job in the caller's transaction: it exists if and only if that commits.

    The other arguments are those of `NewJob`. A SQLAlchemy session wakes the schedulers after its commit; over a Core
    or psycopg connection the caller rings a `Bell`, or the job waits for the next poll (a second at most).

    Raises:
        UnknownType: no servant is registered for `type`.
        InvalidPayload: the payload, priority or time does not fit.

    Example:
        with Session(engine) as session, session.begin():
            session.add(order)
            enqueue(session, "invoice.send", {"order_id": order.id}, account_id=order.account_id)
    """
    job = NewJob(
        type=type,
        payload=payload or {},
        account_id=account_id,
        run_at=run_at,
        priority=priority,
        unique_key=unique_key,
    )
    return enqueue_many(session, [job])[0]


def enqueue_many(session: Session | CoreConnection | psycopg.Connection, jobs: Sequence[NewJob]) -> list[Enqueued]:
    """Make many jobs in the caller's transaction, in order; see `enqueue`."""
    rows = _rows(jobs)
    connection = driver_connection(session)
    ids = iter(_insert(connection, [row for job, row in zip(jobs, rows, strict=True) if job.unique_key is None]))
    made = [
        Enqueued(next(ids), True) if job.unique_key is None else _insert_unique(connection, row, job.unique_key)
        for job, row in zip(jobs, rows, strict=True)
    ]
    _ring_after_commit(session)
    return made


def driver_connection(session: Session | CoreConnection | psycopg.Connection) -> psycopg.Connection:
    """The psycopg connection under a SQLAlchemy session or connection, in the same transaction."""
    if isinstance(session, psycopg.Connection):
        return session
    from sqlalchemy.orm import Session  # whoever hands one over has loaded SQLAlchemy; servant processes never do

    core = session.connection() if isinstance(session, Session) else session
    driver = core.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"Retinue enqueues over psycopg 3, not {type(driver).__module__}: use postgresql+psycopg://")
    return driver


#: A job's columns in the order of `_COLUMNS`: tuples, because a bulk enqueue makes very many of them.
_Row = tuple[Any, ...]
_COLUMNS = ("type", "account_id", "lane", "priority", "run_at", "payload", "request_id", "retry_of")
_ARRAYS: tuple[Callable[[Any], str], ...] = (texts, numbers, texts, numbers, moments, texts, texts, numbers)


def _rows(jobs: Sequence[NewJob]) -> list[_Row]:
    servants = {name: load_servant(name) for name in {job.type for job in jobs}}
    return [_row(servants[job.type], job) for job in jobs]


def _row(servant: ServantType[Any], job: NewJob) -> _Row:
    if job.priority not in PRIORITIES:
        raise InvalidPayload(f"priority is 0 (most urgent) to 9, got {job.priority!r}")
    if job.run_at is not None and job.run_at.tzinfo is None:
        raise InvalidPayload(f"run_at needs a time zone, got {job.run_at.isoformat()}")
    payload = validate_payload(job.type, servant.payload, job.payload)
    return (
        job.type,
        job.account_id,
        servant.lane_of(job.account_id, payload),
        job.priority,
        job.run_at,
        payload.model_dump_json(),
        job.request_id,
        job.retry_of,
    )


def _insert(connection: psycopg.Connection, rows: Sequence[_Row]) -> list[int]:
    ids: list[int] = []
    for start in range(0, len(rows), BULK_ROWS):
        columns = zip(*rows[start : start + BULK_ROWS], strict=True)
        params = {name: array(column) for name, array, column in zip(_COLUMNS, _ARRAYS, columns, strict=True)}
        ids.extend(row[0] for row in connection.execute(statement("enqueue_jobs"), params))
    return ids


def _insert_unique(connection: psycopg.Connection, row: _Row, unique_key: str) -> Enqueued:
    values = dict(zip(_COLUMNS, row, strict=True)) | {"unique_key": unique_key}
    while True:
        made = connection.execute(statement("enqueue_unique_job"), values).fetchone()
        if made is not None:
            return Enqueued(made[0], True)
        # The holder of the key may finish between the two statements; then the key is free again.
        held = connection.execute(statement("find_unique_job"), values).fetchone()
        if held is not None:
            return Enqueued(held[0], False)


_bells: weakref.WeakKeyDictionary[Any, Bell] = weakref.WeakKeyDictionary()

#: Set in a session's `info` while it holds jobs that no scheduler has been told of.
_UNTOLD = "retinue_untold"


def _ring_after_commit(session: Session | CoreConnection | psycopg.Connection) -> None:
    if isinstance(session, psycopg.Connection):
        return
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    if isinstance(session, Session):
        if _UNTOLD not in session.info:
            event.listen(session, "after_commit", _tell_schedulers)
        session.info[_UNTOLD] = True


def _tell_schedulers(session: Session) -> None:
    # SQLAlchemy calls this for the release of a savepoint too, when nothing is visible yet.
    if session.info[_UNTOLD] and not session.in_nested_transaction():
        session.info[_UNTOLD] = False
        _bell_of(session.get_bind().engine).ring()


def _bell_of(engine: Any) -> Bell:
    if engine not in _bells:
        url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        _bells[engine] = Bell(url)
    return _bells[engine]
