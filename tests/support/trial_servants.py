"""Job types for fault tests, each with one rule of admission; `tests.support.trials` makes them known to processes.

Each attempt notes under its fence that it has begun, and each job's effect lands in the commit that completes it, so
that the database alone tells afterwards who ran when.
"""

from __future__ import annotations

import time
from typing import Any

from pydantic import Field

from retinue import Completed, Exponential, Job, Payload, StrictOrder, TransientError, seconds, servant
from retinue.servant import ServantType

#: The tables of the fault tests: what was enqueued, which attempts began, which effects landed. No keys, so that
#: whatever happens twice shows.
TABLES = """
    CREATE TABLE trial_enqueued (job_id bigint NOT NULL);
    CREATE TABLE trial_begun (
        job_id bigint NOT NULL, attempt int NOT NULL, type text NOT NULL, lane text NOT NULL,
        begun_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE trial_effects (job_id bigint NOT NULL, attempt int NOT NULL);
"""

#: Tries come soon: a test has no time.
RETRY = Exponential(base=0.1, cap=0.3, floor=0.05, attempts=3)


class Trial(Payload):
    """How long to work, and how many tries fail first; with as many as the retry policy has the job fails for good."""

    lane: str = "one"
    seconds: float = Field(default=0, ge=0, le=10)
    failures: int = 0


class Steady(Payload):
    """How long to hold a slot, in seconds."""

    seconds: float = Field(gt=0, le=1)


def attempt(job: Job[Trial]) -> Completed:
    """Begin, work, and complete together with an effect."""
    with job.commit() as tx:
        tx.execute(
            "INSERT INTO trial_begun (job_id, attempt, type, lane) VALUES (%s, %s, %s, %s)",
            (job.id, job.attempt, job.facts.type, job.facts.lane),
        )
    if job.payload.seconds:
        time.sleep(job.payload.seconds)  # the work itself
    if job.facts.failures < job.payload.failures:
        raise TransientError("asked to fail")
    with job.commit() as tx:
        tx.execute("INSERT INTO trial_effects (job_id, attempt) VALUES (%s, %s)", (job.id, job.attempt))
        tx.complete(Completed())
    return Completed()


def steady(job: Job[Steady]) -> None:
    """Hold a slot, and nothing else."""
    time.sleep(job.payload.seconds)  # the work itself


alone_in_lane = servant("trial.lane", slots=4, timeout=seconds(30), retry=RETRY, lane="lane", lane_limit=1)(attempt)
alone_in_type = servant("trial.type", slots=4, timeout=seconds(30), retry=RETRY, lane="lane", type_limit=1)(attempt)
in_order = servant("trial.order", slots=8, timeout=seconds(30), retry=RETRY, lane="lane", order=StrictOrder.SKIP)(
    attempt
)
weighed = servant("trial.weight", slots=4, timeout=seconds(30))(steady)

#: By the name under which they are offered.
SERVANTS: dict[str, ServantType[Any]] = {
    "alone_in_lane": alone_in_lane,
    "alone_in_type": alone_in_type,
    "in_order": in_order,
    "weighed": weighed,
}
