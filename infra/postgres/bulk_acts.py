"""What a bulk operation does to one page of jobs, and which it leaves alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
from pydantic import BaseModel

from infra.postgres.bulk_pages import Candidate
from infra.postgres.enqueue import Enqueued, NewJob, enqueue_many
from infra.postgres.holds import release_order_of
from infra.postgres.job_actions import Deed, cancel_jobs, retry_of
from infra.postgres.ordered_types import NOT_RETRIED
from infra.postgres.statements import statement
from retinue.bulk import Bulk, Operation
from retinue.errors import ConfigurationError, InvalidPayload, RetinueError, UnknownType
from retinue.payload import validate_payload
from retinue.servant import load_servant
from retinue.states import JobState

#: Why a job is left alone, for people.
LEFT_ALONE = {
    "queued": "about to start",
    "running": "running",
    "asked_already": "asked to stop already",
    "retried_already": "run again already",
    "key_taken": "an unfinished job has the same unique key",
    "type_unknown": "the type is not installed here",
    "ordered_anew": "it deletes for good, and is ordered anew",
    "payload_unfit": "the payload no longer fits the type",
    "changed_meanwhile": "changed meanwhile",
}


@dataclass(slots=True)
class Tally:
    """How many jobs were done, by deed, and how many were left alone, by reason."""

    done: Counter[str] = field(default_factory=Counter)
    left_alone: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.done += other.done
        self.left_alone += other.left_alone

    @property
    def jobs(self) -> int:
        return self.done.total() + self.left_alone.total()


@dataclass(slots=True)
class Sorted:
    """A page sorted: what can be done, with the payload of what is to be made, and why the rest is left alone."""

    able: list[tuple[Candidate, BaseModel | None]] = field(default_factory=list)
    left_alone: Counter[str] = field(default_factory=Counter)


class Sorter:
    """Sorts pages of one operation. Of jobs with one unique key, only the first is retried."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._keys: set[tuple[str, str]] = set()

    def sort(self, jobs: Iterable[Candidate]) -> Sorted:
        """Which of these can be acted on."""
        found = Sorted()
        for job in jobs:
            verdict = self._verdict(job)
            if isinstance(verdict, str):
                found.left_alone[verdict] += 1
            else:
                found.able.append((job, verdict))
        return found

    def _verdict(self, job: Candidate) -> str | BaseModel | None:
        """Why the job is left alone; else the payload of its retry."""
        match self._operation:
            case Operation.CANCEL:
                return "asked_already" if job.stop_asked else None
            case Operation.RESCHEDULE:
                return None if job.state == JobState.PENDING else job.state
            case Operation.RETRY:
                return self._retry_verdict(job)

    def _retry_verdict(self, job: Candidate) -> str | BaseModel:
        if job.retried:
            return "retried_already"
        if job.type in NOT_RETRIED:
            return "ordered_anew"
        if job.key_taken or (job.type, job.unique_key) in self._keys:
            return "key_taken"
        try:
            payload: BaseModel = validate_payload(job.type, load_servant(job.type).payload, job.payload)
        except InvalidPayload:
            return "payload_unfit"
        except (UnknownType, ConfigurationError):
            return "type_unknown"
        if job.unique_key is not None:
            self._keys.add((job.type, job.unique_key))
        return payload


def act(connection: psycopg.Connection, order: Bulk, jobs: Sequence[Candidate], *, request_id: str) -> Tally:
    """Do it to one page, in the caller's transaction; jobs that are made carry `request_id`."""
    found = Sorter(order.operation).sort(jobs)
    tally = Tally(left_alone=found.left_alone)
    ids = [job.id for job, _ in found.able]
    match order.operation:
        case _ if not ids:
            return tally
        case Operation.CANCEL:
            tally.add(_cancel(connection, order, ids))
        case Operation.RESCHEDULE:
            moved = connection.execute(statement("reschedule_jobs"), {"ids": ids, "run_at": order.run_at}).rowcount
            tally.add(_tally({"rescheduled": moved}, {"changed_meanwhile": len(ids) - moved}))
        case Operation.RETRY:
            tally.add(_retry(connection, found, request_id))
    return tally


def _cancel(connection: psycopg.Connection, order: Bulk, ids: list[int]) -> Tally:
    if JobState.RUNNING not in order.states:
        # Whoever asks for waiting jobs does not want one stopped that has begun since.
        gone = [row[0] for row in connection.execute(statement("cancel_waiting_jobs"), {"ids": ids})]
        release_order_of(connection, gone)
        return _tally({"cancelled": len(gone)}, {"changed_meanwhile": len(ids) - len(gone)})
    deeds = Counter(result.deed.value for result in cancel_jobs(connection, ids))
    return _tally(deeds, {"changed_meanwhile": deeds.pop(Deed.NOTHING, 0)})


def _retry(connection: psycopg.Connection, found: Sorted, request_id: str) -> Tally:
    new = [retry_of(job, payload=payload, request_id=request_id) for job, payload in found.able]
    made = _enqueue(connection, new)
    # What the sorting saw was free may be taken by now.
    made_count = sum(job is not None and job.created for job in made)
    refused = made.count(None)
    return _tally({"retried": made_count}, {"payload_unfit": refused, "key_taken": len(made) - made_count - refused})


def _enqueue(connection: psycopg.Connection, new: list[NewJob]) -> list[Enqueued | None]:
    """All of them; where one is refused, each by itself, and None for the refused."""
    try:
        return list(enqueue_many(connection, new))
    except RetinueError:
        # Refused before anything was written.
        return [_enqueue_alone(connection, job) for job in new]


def _enqueue_alone(connection: psycopg.Connection, job: NewJob) -> Enqueued | None:
    try:
        return enqueue_many(connection, [job])[0]
    except RetinueError:
        return None


def _tally(done: Mapping[str, int], left_alone: Mapping[str, int]) -> Tally:
    # Without the zeros.
    return Tally(+Counter(done), +Counter(left_alone))
