"""From an outcome or an exception to what is written: pure decisions, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from retinue.errors import (
    BudgetExhausted,
    CredentialError,
    JobCancelled,
    LaneBlocked,
    LeaseLost,
    PermanentError,
    RateLimited,
)
from retinue.fingerprint import fingerprint
from retinue.holds import Hold, HoldKind
from retinue.outcomes import Blocked, Cancelled, Completed, Fail, Outcome, Park, Retry, Snooze
from retinue.retry import RetryPolicy
from retinue.rules import Failure, choose
from retinue.states import JobState, Reason

#: Longest error text kept with a job, in characters.
MAX_ERROR_LENGTH = 2000

#: A job whose servants died this often in a row is on trial: if its next servant dies with it, it is poison.
TRIAL_DEATHS = 2

#: How long a job waits that could not be tried because another one was, in seconds.
TRIAL_WAIT_SECONDS = 10.0

#: The escape of a NUL character, whose backslash is not itself escaped.
_NUL_IN_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class Settlement(NamedTuple):
    """What settling one attempt writes.

    `delay` is seconds from the database's now, `until` a moment; both None means at once. `result` is JSON text.
    `failed_attempt` spends one of the job's attempts. `hold` holds the job's lane back; with
    `incident` it stands for an incident of this kind, which is opened if there is none. `evidence` is what its servant
    kept of a failed attempt: its traceback and last log lines.
    """

    job_id: int
    attempt: int
    state: JobState
    reason: Reason
    delay: float | None = None
    until: datetime | None = None
    result: str | None = None
    error: Mapping[str, Any] | None = None
    failed_attempt: bool = False
    hold: Hold | None = None
    incident: str | None = None
    evidence: Mapping[str, Any] | None = None


def holds_nul(text: str) -> bool:
    """Whether this JSON holds a NUL character, which PostgreSQL cannot keep."""
    return "\\u0000" in text and _NUL_IN_JSON.search(text) is not None


def outcome_of(error: BaseException) -> Outcome:
    """The outcome that an exception from a handler stands for.

    Raises:
        LeaseLost: passed on, because there is nothing left to settle.
    """
    if isinstance(error, LeaseLost):
        raise error
    if isinstance(error, LaneBlocked | BudgetExhausted):
        return Blocked(error.hold)
    if isinstance(error, RateLimited):
        return Snooze(error.reset_at, error.message)
    if isinstance(error, CredentialError):
        return Park(error.message, _kind(error), error.incident)
    if isinstance(error, PermanentError):
        return Fail(error.message, _kind(error))
    if isinstance(error, JobCancelled):
        return Cancelled(error.message)
    return Retry(None, str(error) or _kind(error), _kind(error), error)


def returned(value: object) -> Outcome:
    """The outcome that a handler's return value stands for; nothing returned means completed."""
    if value is None:
        return Completed()
    if isinstance(value, Outcome):
        return value
    return Fail(f"the handler returned {type(value).__name__}, which is no outcome", "InvalidOutcome")


def settle(
    job_id: int, attempt: int, outcome: Outcome, *, retry: RetryPolicy, failures: int, released: bool = False
) -> Settlement:
    """What `outcome` writes for this attempt.

    `failures` counts the attempts that failed before this one. `released` says that the servant is draining, so that a
    job which stopped when asked is handed back and not cancelled.
    """
    match outcome:
        case Completed():
            return completed(job_id, attempt, outcome)
        case Retry():
            return _retry(job_id, attempt, outcome, retry=retry, failures=failures + 1)
        case Snooze(until, message):
            return _back(job_id, attempt, Reason.SNOOZE, until=until, error=kept_error("Snooze", message))
        case Park():
            return _parked(job_id, attempt, outcome)
        case Blocked(hold):
            return _back(job_id, attempt, Reason.SNOOZE, hold=hold._replace(reason=storable(hold.reason)))
        case Fail(message, kind):
            return _failed(job_id, attempt, Reason.PERMANENT, kept_error(kind, message))
        case Cancelled() if released:
            return _back(job_id, attempt, Reason.RELEASE)
        case Cancelled(message):
            return Settlement(
                job_id=job_id,
                attempt=attempt,
                state=JobState.CANCELLED,
                reason=Reason.CANCEL,
                error=kept_error("Cancelled", message),
            )


def _parked(job_id: int, attempt: int, outcome: Park) -> Settlement:
    """Without a connection that is known there is no incident, and the lane waits for a person."""
    error = kept_error(outcome.kind, outcome.message)
    scope = "" if outcome.connection_id is None else f"connection:{outcome.connection_id}"
    hold = Hold(HoldKind.INCIDENT, scope, None, error["message"])
    incident = outcome.incident if scope else None
    return _back(job_id, attempt, Reason.SNOOZE, error=error, hold=hold, incident=incident)


def completed(job_id: int, attempt: int, outcome: Completed) -> Settlement:
    """What completing writes; a result that is not JSON fails the job, because it could never be kept."""
    try:
        result = None if outcome.result is None else _json(outcome.result)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"the result cannot be written as JSON: {error}"
        return _failed(job_id, attempt, Reason.PERMANENT, kept_error("InvalidResult", message))
    return Settlement(job_id=job_id, attempt=attempt, state=JobState.COMPLETED, reason=Reason.COMPLETE, result=result)


def put_off(job_id: int, attempt: int) -> Settlement:
    """What is written for a job that has to wait for its trial."""
    return _back(job_id, attempt, Reason.RELEASE, delay=TRIAL_WAIT_SECONDS)


def unwritable(settlement: Settlement, message: str) -> Settlement:
    """What is written instead of a settlement that the database refuses, so that it does not come back for ever."""
    return _failed(settlement.job_id, settlement.attempt, Reason.PERMANENT, kept_error("InvalidOutcome", message))


def overrun(job_id: int, attempt: int, message: str) -> Settlement:
    """What is written for a job that ignored its time limit or its cancellation past its grace."""
    return _failed(job_id, attempt, Reason.OVERRUN, kept_error("Overrun", message))


def poisoned(job_id: int, attempt: int, message: str) -> Settlement:
    """What is written for a job that keeps taking its servant down with it."""
    return _failed(job_id, attempt, Reason.POISON, kept_error("Poison", message))


def _retry(job_id: int, attempt: int, outcome: Retry, *, retry: RetryPolicy, failures: int) -> Settlement:
    error = kept_error(outcome.kind, outcome.message)
    chosen = choose(retry, Failure(outcome.cause, error["message"], error["fingerprint"]))
    if chosen.rule is not None:
        error["rule"] = chosen.rule
    if failures >= chosen.policy.attempts:
        return _failed(job_id, attempt, Reason.EXHAUSTED, error)
    delay = chosen.policy.delay(failures) if outcome.after is None else outcome.after.total_seconds()
    return _back(job_id, attempt, Reason.RETRY, delay=delay, error=error, failed_attempt=True)


def _failed(job_id: int, attempt: int, reason: Reason, error: Mapping[str, Any]) -> Settlement:
    return Settlement(
        job_id=job_id, attempt=attempt, state=JobState.FAILED, reason=reason, error=error, failed_attempt=True
    )


def _back(job_id: int, attempt: int, reason: Reason, **changes: Any) -> Settlement:
    return Settlement(job_id=job_id, attempt=attempt, state=JobState.PENDING, reason=reason, **changes)


def _json(value: Mapping[str, Any]) -> str:
    text = json.dumps(dict(value), allow_nan=False, ensure_ascii=False)
    if holds_nul(text):
        raise ValueError("it holds a NUL character")
    text.encode()
    return text


def _kind(error: BaseException) -> str:
    return type(error).__name__


def kept_error(kind: str, message: str) -> dict[str, str]:
    """An error as it is kept with its job: what went wrong, and the fingerprint of all errors that say the same."""
    kind, message = storable(kind), storable(message)
    return {"kind": kind, "message": message, "fingerprint": fingerprint(kind, message)}


def storable(text: object) -> str:
    """`text` as PostgreSQL can keep it: without NUL, and without the halves of characters that broken input leaves."""
    return str(text)[:MAX_ERROR_LENGTH].replace("\0", "�").encode(errors="replace").decode()
