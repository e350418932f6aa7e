"""What is kept of failed attempts, by real servants in a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from infra.logs import get_logger
from infra.postgres.evidence import show_evidence
from infra.postgres.job_details import show_job
from infra.postgres.settle import settle_jobs
from retinue import AsyncJob, Completed, Exponential, Job, Outcome, servant
from retinue.errors import NotFound, TransientError
from retinue.outcomes import Retry
from retinue.states import JobState
from tests.support.assertions import assert_consistent
from tests.support.factories import run_jobs
from tests.support.runtime import TYPE, House, Say, kind_of, open_house

log = get_logger("tests.evidence")

TWICE = Exponential(base=0, cap=0, floor=0, attempts=2)


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


def fails(job: Job[Say]) -> Outcome:
    log.info("reads_a_page", page=job.attempt, token="hunter2")
    raise TransientError("the server failed")


def test_each_failed_attempt_tells_of_itself(house: House) -> None:
    process = house.start(kind_of(fails, retry=TWICE))
    (job,) = house.run()
    # Its second try is due at once: whoever looks for the state between the two may come too late.
    house.wait_for("EXISTS (SELECT FROM job_events WHERE reason = 'retry')")
    house.dispatch()
    house.wait(job, "failed", "exhausted")
    for attempt in (1, 2):
        kept = show_evidence(house.sql, job, attempt)
        assert (kept.job_id, kept.attempt, kept.servant_id, kept.left_out) == (job, attempt, process.id, 0)
        (line,) = kept.lines
        assert (line.event, line.level, line.logger) == ("reads_a_page", "info", "tests.evidence")
        assert line.fields == {"page": attempt, "token": "***"}
        assert "in fails" in (kept.traceback or "")
    assert [(event.servant_id, event.has_evidence) for event in show_job(house.sql, job).events] == [
        (process.id, True)
    ] * 2


def test_a_job_that_completes_leaves_nothing(house: House) -> None:
    house.start(kind_of(lambda job: log.info("all_well") or Completed()))
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    with pytest.raises(NotFound, match="only attempts that failed"):
        show_evidence(house.sql, job, 1)


def test_coroutines_keep_theirs_apart(house: House) -> None:
    async def handler(job: AsyncJob[Say]) -> Outcome:
        log.info("began", text=job.payload.text)
        await asyncio.sleep(0.01)
        log.info("ends", text=job.payload.text)
        raise TransientError(job.payload.text)

    rules: dict[str, Any] = {"slots": 10, "retry": Exponential(attempts=1)}
    house.start(servant(TYPE, **rules)(handler))
    jobs = house.run({"text": "one"}, {"text": "two"})
    for job, text in zip(jobs, ("one", "two"), strict=True):
        house.wait(job, "failed", "exhausted")
        kept = show_evidence(house.sql, job, 1)
        assert [(line.event, line.fields["text"]) for line in kept.lines] == [("began", text), ("ends", text)]
        assert "in handler" in (kept.traceback or "")


def test_one_that_was_cancelled_meanwhile_keeps_what_it_failed_with(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    sql.execute("UPDATE jobs SET cancel_requested_at = now() WHERE id = %s", (held.id,))
    settlement = held.settlement(Retry())._replace(evidence={"servant": 1, "ran": 0.5, "traceback": "t", "lines": []})
    settle_jobs(sql, [(settlement, 0.5)], shard=0)
    assert show_job(sql, held.id).state is JobState.CANCELLED
    assert show_evidence(sql, held.id, 1).traceback == "t"
