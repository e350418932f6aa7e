"""`system.echo` and `system.sleep`: the smallest real jobs, for tests, benchmarks and a first look."""

from __future__ import annotations

import time
from typing import Any

from pydantic import Field

from retinue import Completed, Exponential, Job, Outcome, Payload, PermanentError, TransientError, minutes, servant
from retinue.outcomes import Cancelled


class Echo(Payload):
    """What to say back.

    `effect` writes a row to `echoes` in the job's own commit, `stamp` reports when the handler began (seconds since the
    epoch), `fail` acts out a fault.
    """

    message: str = ""
    effect: bool = False
    stamp: bool = False
    fail: str | None = Field(default=None, pattern="^(transient|permanent)$")


class Sleep(Payload):
    """How long to sleep, in seconds."""

    seconds: float = Field(gt=0, le=3600)


@servant("system.echo", slots=16, timeout=minutes(1), retry=Exponential(base=1, cap=60, attempts=5))
def echo(job: Job[Echo]) -> Outcome:
    """Say the message back as the result."""
    began = time.time()
    if job.payload.fail is not None:
        raise TransientError("asked to fail") if job.payload.fail == "transient" else PermanentError("asked to fail")
    answer = Completed(_said(job.payload, began))
    if job.payload.effect:
        with job.commit() as tx:
            tx.execute(
                "INSERT INTO echoes (job_id, attempt, account_id, message) VALUES (%s, %s, %s, %s)",
                (job.id, job.attempt, job.account_id, job.payload.message),
            )
            tx.complete(answer)
    return answer


@servant("system.sleep", slots=16, timeout=minutes(70), retry=Exponential(attempts=5))
def sleep(job: Job[Sleep]) -> Outcome:
    """Sleep, and wake up when asked to stop."""
    if job.cancelled.wait(job.payload.seconds):
        return Cancelled(job.cancelled.reason)
    return Completed()


def _said(payload: Echo, began: float) -> dict[str, Any] | None:
    said: dict[str, Any] = {}
    if payload.message:
        said["message"] = payload.message
    if payload.stamp:
        said["began"] = began
    return said or None
