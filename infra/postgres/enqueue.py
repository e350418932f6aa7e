"""Enqueueing jobs inside the caller's own transaction."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from infra.postgres.arrays import numbers
from infra.postgres.bell import Bell
from infra.postgres.unique import BULK_ROWS, COLUMNS, Effect, Enqueued, Keyed, Row, columns_of, execute, insert_keyed
from infra.tracing import enqueue_span
from retinue.errors import InvalidPayload
from retinue.payload import validate_payload
from retinue.servant import ServantType, load_servant
from retinue.settlement import holds_nul
from retinue.unique import Unique

if TYPE_CHECKING:
    from sqlalchemy import Connection as CoreConnection
    from sqlalchemy.orm import Session

__all__ = ["BULK_ROWS", "Effect", "Enqueued", "NewJob", "driver_connection", "enqueue", "enqueue_many"]

PRIORITIES = range(10)

#: The first and the last moment a job may wait for: every client can read them, in any time zone.
RUN_AT_RANGE = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))

#: Characters of a lane, a unique key or a request ID: the first two are indexed.
MAX_KEY_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be made. `run_at` None is now; `priority` 0 is the most urgent, 9 the least.

    `unique_key` alone is short for `unique=Unique(unique_key)`.
    """

    type: str
    payload: Mapping[str, Any] | BaseModel
    account_id: int | None = None
    run_at: datetime | None = None
    priority: int = 5
    unique_key: str | None = None
    request_id: str | None = None
    retry_of: int | None = None
    unique: Unique | None = None


def enqueue(
    session: Session | CoreConnection | psycopg.Connection,
    type: str,  # noqa: A002 - the word of the design; the builtin is not needed here
    payload: Mapping[str, Any] | BaseModel | None = None,
    *,
    account_id: int | None = None,
    run_at: datetime | None = None,
    priority: int = 5,
    unique_key: str | None = None,
    unique: Unique | None = None,
) -> Enqueued:
    """Make one job in the caller's transaction: it exists if and only if that commits.

    The other arguments are those of `NewJob`. A SQLAlchemy session wakes the schedulers after its commit; over a Core
    or psycopg connection the caller rings a `Bell`, or the job waits for the next poll (a second at most).

    Raises:
        UnknownType: no servant is registered for `type`.
        InvalidPayload: the payload, or another argument, does not fit.

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
        unique=unique,
    )
    return enqueue_many(session, [job])[0]


def enqueue_many(session: Session | CoreConnection | psycopg.Connection, jobs: Sequence[NewJob]) -> list[Enqueued]:
    """Make many jobs in the caller's transaction, in order; see `enqueue`."""
    return enqueue_members(session, jobs, group_id=None)


def enqueue_members(
    session: Session | CoreConnection | psycopg.Connection, jobs: Sequence[NewJob], *, group_id: int | None
) -> list[Enqueued]:
    """Make many jobs that belong to a group; the caller has it open, and counts them."""
    made = insert_jobs(driver_connection(session), jobs, group_id)
    _ring_after_commit(session)
    return made


def insert_jobs(connection: psycopg.Connection, jobs: Sequence[NewJob], group_id: int | None = None) -> list[Enqueued]:
    """Make many jobs over what is a connection or behaves like one; nobody is told of them."""
    with enqueue_span([job.type for job in jobs]) as span:
        made = _enqueue(connection, jobs, group_id)
        created = [job.id for job in made if job.created]
        if span.traceparent is not None and created:
            execute(connection, "note_traceparent", {"ids": numbers(created), "traceparent": span.traceparent})
        span.made(created)
    return made


def stored_row(job: NewJob) -> dict[str, Any]:
    """The job as `enqueue_job` takes it, of JSON's own types, to be made some time later.

    Raises:
        UnknownType, InvalidPayload: like `enqueue`.
    """
    row = dict(zip(COLUMNS, _rows([job], None)[0], strict=True))
    return row | {"run_at": None if job.run_at is None else job.run_at.isoformat()}


def _enqueue(connection: psycopg.Connection, jobs: Sequence[NewJob], group_id: int | None) -> list[Enqueued]:
    rows = _rows(jobs, group_id)
    plain = [n for n, job in enumerate(jobs) if _unique(job) is None]
    made = dict(zip(plain, _insert(connection, [rows[n] for n in plain]), strict=True))
    keyed = [(n, unique) for n, job in enumerate(jobs) if (unique := _unique(job)) is not None]
    if keyed:
        chosen: list[Keyed] = [(rows[n], unique) for n, unique in keyed]
        made.update(zip((n for n, _ in keyed), insert_keyed(connection, chosen), strict=True))
    return [made[n] for n in range(len(jobs))]


def _unique(job: NewJob) -> Unique | None:
    return job.unique if job.unique_key is None else Unique(job.unique_key)


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


def _rows(jobs: Sequence[NewJob], group_id: int | None) -> list[Row]:
    servants = {name: load_servant(name) for name in {job.type for job in jobs}}
    return [_row(servants[job.type], job, group_id) for job in jobs]


def _row(servant: ServantType[Any], job: NewJob, group_id: int | None) -> Row:
    payload = validate_payload(job.type, servant.payload, job.payload)
    lane = servant.lane_of(job.account_id, payload)
    for fault in _faults(job, lane):
        raise InvalidPayload(fault)
    return (
        job.type,
        job.account_id,
        lane,
        job.priority,
        job.run_at,
        payload_json(job.type, payload),
        job.request_id,
        job.retry_of,
        servant.order is not None,
        group_id,
    )


def _faults(job: NewJob, lane: str) -> Iterator[str]:
    if type(job.priority) is not int or job.priority not in PRIORITIES:
        yield f"priority is 0 (most urgent) to 9, got {job.priority!r}"
    if job.run_at is not None and job.run_at.tzinfo is None:
        yield f"run_at needs a time zone, got {job.run_at.isoformat()}"
    elif job.run_at is not None and not RUN_AT_RANGE[0] <= job.run_at <= RUN_AT_RANGE[1]:
        yield f"run_at is in the years 1970 to 8999, got {job.run_at.isoformat()}"
    if job.account_id is not None and (type(job.account_id) is not int or abs(job.account_id) >= 2**63):
        yield f"account_id is a number, got {job.account_id!r}"
    if job.unique_key is not None and job.unique is not None:
        yield "give unique_key or unique, not both"
    unique_key = job.unique_key if job.unique is None else job.unique.key
    if unique_key == "":
        yield "unique_key is empty: leave it out, or name what there may be one of"
    for name, text in (("lane", lane), ("unique_key", unique_key), ("request_id", job.request_id)):
        yield from key_faults(name, text)


def key_faults(name: str, text: str | None) -> Iterator[str]:
    """What is wrong with a text that is indexed."""
    if text and (len(text) > MAX_KEY_LENGTH or not text.isprintable()):
        yield f"{name} is at most {MAX_KEY_LENGTH} printable characters, got {len(text)}: {text[:40]!r}"


def payload_json(job_type: str, payload: BaseModel) -> str:
    """The payload as it is stored.

    Raises:
        InvalidPayload: PostgreSQL could not keep it.
    """
    try:
        text = payload.model_dump_json()
    except PydanticSerializationError as error:
        raise InvalidPayload(f"The payload for {job_type!r} cannot be written as JSON: {error}") from None
    if holds_nul(text):
        raise InvalidPayload(f"The payload for {job_type!r} holds a NUL character, which PostgreSQL cannot keep")
    return text


def _insert(connection: psycopg.Connection, rows: Sequence[Row]) -> list[Enqueued]:
    if len(rows) == 1:
        # Its plan is a third cheaper than that of the arrays.
        params = dict(zip(COLUMNS, rows[0], strict=True)) | {"unique_key": None, "unique_waiting": False}
        return [Enqueued(row[0]) for row in execute(connection, "enqueue_job", params)]
    made: list[Enqueued] = []
    for start in range(0, len(rows), BULK_ROWS):
        page = columns_of(rows[start : start + BULK_ROWS])
        made.extend(Enqueued(row[0]) for row in execute(connection, "enqueue_jobs", page))
    return made


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
            event.listen(session, "after_rollback", _forget_untold)
        session.info[_UNTOLD] = True


def _tell_schedulers(session: Session) -> None:
    # SQLAlchemy calls this for the release of a savepoint too, when nothing is visible yet.
    if session.info[_UNTOLD] and not session.in_nested_transaction():
        session.info[_UNTOLD] = False
        _bell_of(session.get_bind().engine).ring()


def _forget_untold(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info[_UNTOLD] = False


def _bell_of(engine: Any) -> Bell:
    if engine not in _bells:
        url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        bell = _bells.setdefault(engine, Bell(url))
        # Also when the program ends: what it rang for at last is still sent.
        weakref.finalize(engine, bell.close)
    return _bells[engine]
