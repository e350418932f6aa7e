"""`system.echo` and `system.sleep`: the smallest real jobs, for tests, benchmarks and a first look."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, Literal

from pydantic import Field

from retinue import Completed, Exponential, Job, Outcome, Payload, PermanentError, TransientError, minutes, servant
from retinue.outcomes import Cancelled


class Echo(Payload):
    """What to say back.

    `effect` writes a row to `echoes` in the job's own commit, `stamp` reports when the handler began (seconds since the
    epoch), `seconds` is how long to think first, `fail` acts out a fault: `crash` ends the servant as SIGKILL would.
    """

    message: str = ""
    effect: bool = False
    stamp: bool = False
    seconds: float = Field(default=0, ge=0, le=60)
    fail: Literal["transient", "permanent", "crash"] | None = None


class Sleep(Payload):
    """How long to sleep, in seconds."""

    seconds: float = Field(gt=0, le=3600)


@servant("system.echo", slots=16, timeout=minutes(1), retry=Exponential(base=1, cap=60, attempts=5))
def echo(job: Job[Echo]) -> Outcome:
    """Say the message back as the result."""
    began = time.time()
    if job.payload.seconds:
        time.sleep(job.payload.seconds)
    _act_out(job.payload.fail)
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


def _act_out(fault: Literal["transient", "permanent", "crash"] | None) -> None:
    if fault == "transient":
        raise TransientError("asked to fail")
    if fault == "permanent":
        raise PermanentError("asked to fail")
    if fault == "crash":
        os.kill(os.getpid(), signal.SIGKILL)


def _said(payload: Echo, began: float) -> dict[str, Any] | None:
    said: dict[str, Any] = {}
    if payload.message:
        said["message"] = payload.message
    if payload.stamp:
        said["began"] = began
    return said or None
