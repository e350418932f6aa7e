"""Enqueueing jobs inside the caller's own transaction."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from pydantic import BaseModel

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
    plain = [row for row in rows if row["unique_key"] is None]
    ids = iter(_insert(connection, plain))
    made = [Enqueued(next(ids), True) if row["unique_key"] is None else _insert_unique(connection, row) for row in rows]
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


def _rows(jobs: Sequence[NewJob]) -> list[dict[str, Any]]:
    servants = {name: load_servant(name) for name in {job.type for job in jobs}}
    return [_row(servants[job.type], job) for job in jobs]


def _row(servant: ServantType[Any], job: NewJob) -> dict[str, Any]:
    if job.priority not in PRIORITIES:
        raise InvalidPayload(f"priority is 0 (most urgent) to 9, got {job.priority!r}")
    if job.run_at is not None and job.run_at.tzinfo is None:
        raise InvalidPayload(f"run_at needs a time zone, got {job.run_at.isoformat()}")
    payload = validate_payload(job.type, servant.payload, job.payload)
    return {
        "type": job.type,
        "account_id": job.account_id,
        "lane": servant.lane_of(job.account_id, payload),
        "priority": job.priority,
        "run_at": job.run_at,
        "payload": payload.model_dump_json(),
        "request_id": job.request_id,
        "retry_of": job.retry_of,
        "unique_key": job.unique_key,
    }


def _insert(connection: psycopg.Connection, rows: list[dict[str, Any]]) -> list[int]:
    ids: list[int] = []
    for start in range(0, len(rows), BULK_ROWS):
        columns = _columns(rows[start : start + BULK_ROWS])
        ids.extend(row[0] for row in connection.execute(statement("enqueue_jobs"), columns))
    return ids


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = ("type", "account_id", "lane", "priority", "run_at", "payload", "request_id", "retry_of")
    return {name: [row[name] for row in rows] for name in names}


def _insert_unique(connection: psycopg.Connection, row: dict[str, Any]) -> Enqueued:
    while True:
        made = connection.execute(statement("enqueue_unique_job"), row).fetchone()
        if made is not None:
            return Enqueued(made[0], True)
        # The holder of the key may finish between the two statements; then the key is free again.
        held = connection.execute(statement("find_unique_job"), row).fetchone()
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
