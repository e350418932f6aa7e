"""Run one attempt of a job here and now, and look at what came of it."""

from __future__ import annotations

import contextvars
import dataclasses
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, TypedDict, Unpack

from pydantic import BaseModel

from infra.postgres.enqueue import payload_json
from retinue.connection import Connection
from retinue.errors import InvalidPayload
from retinue.job import Job, JobFacts, JobServices
from retinue.payload import validate_payload
from retinue.servant import ServantType
from retinue.testing.claimed import ClaimedStage
from retinue.testing.clock import FakeClock
from retinue.testing.coroutines import run_coroutine
from retinue.testing.database import RetinueDatabase
from retinue.testing.ran import Ran
from retinue.testing.record import Answers, MemoryServices, Recorder
from retinue.testing.stopping import FakeCancellation
from servants.runtime.gate import Gate
from servants.runtime.held import HeldJob
from servants.runtime.performer import CANCELLED, DRAINING, TIMED_OUT, Performed, Performer

#: Why a job may be asked to stop.
Stop = Literal["cancelled", "timed_out", "draining"]

_REASONS: Mapping[Stop, str] = {"cancelled": CANCELLED, "timed_out": TIMED_OUT, "draining": DRAINING}


class Circumstances(TypedDict, total=False):
    """What `run` may be told beside the servant and the payload."""

    #: The job's account; that of the first connection unless given.
    account_id: int | None
    #: What `job.connection(id)` finds.
    connections: Sequence[Connection]
    #: What an earlier attempt kept with `tx.checkpoint`.
    checkpoint: Any
    #: How many attempts have failed before this one.
    failures: int
    #: The number of this attempt; one more than the failures unless given.
    attempt: int
    #: Which rows statements give without a database: `answers(query, params)`.
    answers: Answers
    #: Moved on by `job.cancelled.wait(…)`; says when the next try is due.
    clock: FakeClock
    #: Ask the job to stop when it looks whether it should, after so many looks that find nothing (`stop_after`).
    stop: Stop
    stop_after: int
    #: Take the lease away after so many commits: the next one raises `LeaseLost`.
    lose_lease_after: int
    #: The job's ID, without a database.
    job_id: int
    #: Make the job there, claim it, and let commits and the settlement be real transactions under its fence.
    database: RetinueDatabase


def run(
    servant: ServantType[Any],
    payload: Mapping[str, Any] | BaseModel | None = None,
    **circumstances: Unpack[Circumstances],
) -> Ran:
    """Run one attempt in this thread, through the code that performs it in a servant process.

    Without `database` nothing outside this process is touched: commits are kept in `Ran.commits` and run nothing. A
    failed `assert` inside the handler is raised; every other exception is what it is in production, an outcome.

    Raises:
        InvalidPayload: the payload does not fit the type.

    Example:
        ran = run(send_invoice, {"order_id": 7})
        assert ran.state == "completed"
        assert ran.result == {"order": 7}
    """
    checked = validate_payload(servant.name, servant.payload, payload or {})
    return _attempt(servant, _stage(servant, checked, circumstances), circumstances)


class Stage(Protocol):
    """Where a job's attempts are made, one after the other."""

    @property
    def services(self) -> JobServices:
        """What the job may do."""

    @property
    def gate(self) -> Gate | None:
        """What stands between the job and its connections."""

    def begin(self) -> HeldJob:
        """Claim the next attempt."""

    def end(self, performed: Performed) -> None:
        """Settle it."""


class MemoryStage:
    """Attempts that no database knows of."""

    def __init__(self, facts: JobFacts, payload: BaseModel, services: JobServices) -> None:
        self.services = services
        self.gate: Gate | None = None
        self._facts = facts
        self._payload_json = payload_json(facts.type, payload)

    def begin(self) -> HeldJob:
        return HeldJob(self._facts, self._payload_json, claimed_at=0.0)

    def end(self, performed: Performed) -> None:
        settlement, job = performed.settlement, performed.held.job
        self._facts = self._facts._replace(
            attempt=self._facts.attempt + 1,
            failures=self._facts.failures + (settlement is not None and settlement.failed_attempt),
            checkpoint=self._facts.checkpoint if job is None else job.checkpoint,
        )


def _stage(servant: ServantType[Any], payload: BaseModel, given: Circumstances) -> Stage:
    database = given.get("database")
    if database is not None:
        return _claimed(servant, payload, given, database)
    services = MemoryServices(given.get("connections", ()), answers=given.get("answers"))
    return MemoryStage(_facts(servant, payload, given), payload, services)


def _claimed(servant: ServantType[Any], payload: BaseModel, given: Circumstances, database: RetinueDatabase) -> Stage:
    connections, facts = given.get("connections", ()), _facts(servant, payload, given)
    stage = ClaimedStage(
        database,
        servant,
        payload,
        account_id=facts.account_id,
        connections={connection.id: connection for connection in connections},
    )
    stage.arrange(failures=facts.failures, attempt=facts.attempt, checkpoint=facts.checkpoint)
    return stage


def _facts(servant: ServantType[Any], payload: BaseModel, given: Circumstances) -> JobFacts:
    connections, failures = given.get("connections", ()), given.get("failures", 0)
    account_id = given.get("account_id", connections[0].account_id if connections else None)
    return JobFacts(
        id=given.get("job_id", 1),
        type=servant.name,
        attempt=given.get("attempt", failures + 1),
        account_id=account_id,
        lane=servant.lane_of(account_id, payload),
        failures=failures,
        checkpoint=given.get("checkpoint"),
        request_id=None,
        fire_at=None,
    )


def _attempt(servant: ServantType[Any], stage: Stage, given: Circumstances) -> Ran:
    clock = given.get("clock") or FakeClock()
    recorder = Recorder(stage.services, lose_lease_after=given.get("lose_lease_after"))
    held = stage.begin()
    watched = _Watched(servant, held, clock, given)
    performer = Performer(watched.servant(), recorder, 0, gate=stage.gate)
    # In a context of its own, so that the job's words do not stay in the log lines of the test.
    performed = contextvars.copy_context().run(performer.perform, held)
    stage.end(performed)
    watched.give_back_what_is_the_test_s()
    if not isinstance(held.job, Job):
        raise InvalidPayload(str((performed.settlement.error or {}).get("message")) if performed.settlement else None)
    # The next attempt meets none of what was asked for in this one.
    later: Circumstances = {"clock": clock}
    return Ran(
        job=held.job,
        settlement=performed.settlement,
        commits=recorder.commits,
        anomalies=recorder.anomalies,
        raised=watched.raised,
        clock=clock,
        _again=lambda: _attempt(servant, stage, later),
    )


class _Watched:
    """A handler under a fake clock, asked to stop when the test wants it; what it raises is kept."""

    def __init__(self, servant: ServantType[Any], held: HeldJob, clock: FakeClock, given: Circumstances) -> None:
        self.raised: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._servant = servant
        self._held = held
        self._clock = clock
        self._stop = given.get("stop")
        self._stop_after = given.get("stop_after", 0)
        self._ends = clock.monotonic() + servant.timeout.total_seconds()

    def servant(self) -> ServantType[Any]:
        """The type as it is, but for the watched handler."""
        return dataclasses.replace(self._servant, handler=self._handle)

    def give_back_what_is_the_test_s(self) -> None:
        """Raise what is meant for the test and not for the job: a failed assertion, or the end of the program."""
        if self.raised is not None:
            self.raised.__traceback__ = self._traceback  # the runtime let go of it
        theirs = isinstance(self.raised, Exception | SystemExit) and not isinstance(self.raised, AssertionError)
        if self.raised is not None and not theirs:
            raise self.raised

    def _handle(self, job: Job[Any]) -> Any:
        job.cancelled = FakeCancellation(self._clock, self._on_look)
        try:
            if self._servant.is_async:
                return run_coroutine(self._servant.handler, job)
            return self._servant.handler(job)
        except BaseException as error:
            self.raised, self._traceback = error, error.__traceback__
            raise

    def _on_look(self, looks: int) -> None:
        if self._clock.monotonic() > self._ends:
            self._held.ask_to_stop(TIMED_OUT, 0.0)
        elif self._stop is not None and looks > self._stop_after:
            self._held.ask_to_stop(_REASONS[self._stop], 0.0)
