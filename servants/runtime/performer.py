"""Performs one job: builds what the handler receives, calls it, and turns what happened into a settlement."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from infra.logs import enter_context, get_logger
from retinue.errors import InvalidPayload, JobError, JobTimeout, LeaseLost
from retinue.job import Job, JobFacts, JobServices
from retinue.outcomes import Cancelled, Fail, Outcome, Park, Retry
from retinue.payload import parse_payload
from retinue.servant import ServantType
from retinue.settlement import Settlement, outcome_of, put_off, returned, settle
from retinue.states import JobState
from servants.runtime.evidence import gather, with_evidence
from servants.runtime.gate import Gate
from servants.runtime.held import HeldJob

if TYPE_CHECKING:
    from infra.otel import Tracing

#: Why a job was asked to stop, as `job.cancelled.reason` and the outcome tell it.
CANCELLED, TIMED_OUT, DRAINING, LEASE_LOST = "cancelled", "time limit passed", "servant draining", "lease lost"

log = get_logger(__name__)


class Performed(NamedTuple):
    """A finished attempt. `settlement` is None where nothing is left to write."""

    held: HeldJob
    settlement: Settlement | None
    run_seconds: float


class Performer:
    """Runs the handler of one type."""

    def __init__(
        self,
        servant: ServantType[Any],
        services: JobServices,
        servant_id: int,
        *,
        admits: Callable[[HeldJob], bool] = lambda _: True,
        gate: Gate | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._servant = servant
        self._services = services
        self._servant_id = servant_id
        self._admits = admits
        self._gate = gate
        self._tracing = tracing

    def perform(self, held: HeldJob) -> Performed:
        """Run the job to its end. Never raises for what a handler does."""
        if self._tracing is None:
            return self._perform(held)
        with self._tracing.perform(held.facts, self._servant_id) as span:
            performed = self._perform(held)
            self._tracing.tell(span, performed.settlement)
        held.trace = (span, time.time_ns())
        return performed

    def _perform(self, held: HeldJob) -> Performed:
        started = held.started_at = time.monotonic()
        enter_job(held.facts, self._servant_id)
        held.evidence = gather(self._servant_id)
        settlement = self._settlement(held)
        held.finished = True
        return Performed(held, settlement, time.monotonic() - started)

    def broken(self, held: HeldJob, error: BaseException) -> Performed:
        """The attempt whose end could not be worked out: it counts like one that raised `error`."""
        log.error("attempt_broken", job=held.facts.id, attempt=held.facts.attempt, error=shown(error))
        held.finished = True
        self._forget(held)
        seconds = time.monotonic() - (held.started_at or held.claimed_at)
        settlement = None if held.over else self._settled(held, failed_with(held, error))
        return Performed(held, settlement, seconds)

    def _settlement(self, held: HeldJob) -> Settlement | None:
        if held.abandoned or held.lost:
            return None
        if not self._admits(held):
            return put_off(held.facts.id, held.facts.attempt)
        try:
            outcome = self._outcome(held)
        except LeaseLost as lost:
            log.warning("lease_lost", detail=lost.message)
            self._forget(held)
            return None
        return self._conclude(held, outcome)

    def _conclude(self, held: HeldJob, outcome: Outcome) -> Settlement | None:
        if held.over:
            self._forget(held)
            return None
        if self._gate is not None and held.job is not None:
            outcome = self._gate.conclude(held.job, outcome)
        settlement = self._settled(held, outcome)
        _report(settlement)
        return settlement

    def _forget(self, held: HeldJob) -> None:
        if self._gate is not None and held.job is not None:
            self._gate.forget(held.job)

    def _settled(self, held: HeldJob, outcome: Outcome) -> Settlement:
        ran = time.monotonic() - (held.started_at or held.claimed_at)
        written = self._written(held, outcome)
        return with_evidence(written, held.evidence, run_seconds=ran)

    def _written(self, held: HeldJob, outcome: Outcome) -> Settlement:
        released = held.asked_why == DRAINING
        facts, retry = held.facts, self._servant.retry
        try:
            return settle(facts.id, facts.attempt, outcome, retry=retry, failures=facts.failures, released=released)
        except Exception as error:  # the retry policy and what is in the outcome are the servant author's
            log.exception("outcome_not_settled", job=facts.id)
            failed = Fail(f"settling {type(outcome).__name__} raised {shown(error)}", "InvalidOutcome")
            return settle(facts.id, facts.attempt, failed, retry=retry, failures=facts.failures)

    def _outcome(self, held: HeldJob) -> Outcome:
        try:
            outcome = self._run(held)
        except LeaseLost:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit, too, is to end the job and not the slot
            outcome = failed_with(held, error)
        return after_timeout(held, outcome)

    def _run(self, held: HeldJob) -> Outcome:
        try:
            payload = parse_payload(self._servant.name, self._servant.payload, held.payload_json)
        except InvalidPayload as error:
            return Fail(error.message, "InvalidPayload")
        held.job = job = Job(held.facts, payload, self._services)
        if held.asked_at is not None:
            return Cancelled(f"{held.asked_why} before it began")
        return returned(self._servant.handler(job))


def enter_job(facts: JobFacts, servant_id: int) -> None:
    """Have the log lines from here on carry this job."""
    enter_context(
        request=facts.request_id, account=facts.account_id, job=facts.id, attempt=facts.attempt, servant=servant_id
    )


def failed_with(held: HeldJob, error: BaseException) -> Outcome:
    """What an exception comes to; where that is a failure, its traceback is kept first."""
    trace, evidence = error.__traceback__, held.evidence
    if evidence is not None:
        evidence.end()
    outcome = raised(error)
    if evidence is not None and isinstance(outcome, Retry | Fail | Park):
        evidence.raised(error, trace)
    return outcome


def raised(error: BaseException) -> Outcome:
    """What an exception comes to; one that cannot even say what it is counts like any other it does not know."""
    told = shown(error)
    log.info("job_raised", error=told, exc_info=not isinstance(error, JobError))
    # The outcome keeps the error: with its traceback it would keep this very frame, and itself, alive.
    error.__traceback__ = None
    try:
        return outcome_of(error)
    except Exception:
        log.exception("error_not_understood", error=told)
        return Retry(None, told, type(error).__name__, error)


def shown(error: BaseException) -> str:
    """What is said of an error, even of one that cannot be shown."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except Exception:  # noqa: BLE001 - its class is the author's
        return f"{kind}, which cannot be shown"


def after_timeout(held: HeldJob, outcome: Outcome) -> Outcome:
    """A job that stopped because its time was up failed this attempt; it was not cancelled by anybody."""
    if isinstance(outcome, Cancelled) and held.asked_why == TIMED_OUT:
        late = JobTimeout("the job passed its time limit and stopped")
        return Retry(None, late.message, "JobTimeout", late)
    return outcome


def _report(settlement: Settlement) -> None:
    if settlement.state is JobState.COMPLETED:
        log.debug("job_performed", state=settlement.state)
        return
    log.info(
        "job_performed",
        state=settlement.state,
        reason=settlement.reason,
        delay=settlement.delay,
        error=settlement.error,
    )
