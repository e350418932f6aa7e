"""The coming tries of a failed job, by the rule that governed its last failure, as `show` and `why` tell them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from infra.postgres.job_queries import show_job
from infra.postgres.why import why
from retinue import Exponential, Job, NoPayload, NoRetry, Retry, Rules, Snooze, When, servant
from retinue.outcomes import Outcome
from retinue.servant import lent
from retinue.settlement import kept_error, outcome_of
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import claim_jobs, queue_jobs, run_jobs, settle_one

__all__ = ["bare_environment", "retinue"]

TYPE = "test.ruled"


@servant(
    TYPE,
    retry=Rules(
        When(ConnectionError, then=Exponential(base=10, cap=100, floor=1, attempts=4)),
        When(message="deadlock", then=NoRetry()),
        otherwise=Exponential(base=60, cap=60, attempts=2),
    ),
)
def ruled(job: Job[NoPayload]) -> None:
    """Has rules."""


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    with lent(ruled):
        yield


def failed_job(sql: psycopg.Connection, *outcomes: Outcome) -> int:
    """A job whose attempts came to these."""
    (held,) = run_jobs(sql, job_type=TYPE)
    for n, outcome in enumerate(outcomes):
        if n > 0:
            queue_jobs(sql, [held.id])
            (held,) = claim_jobs(sql, [held.id], servant_id=1, job_type=TYPE)
        settle_one(sql, held, outcome, retry=ruled.retry)
    return held.id


def test_they_are_those_of_the_rule_that_governed_the_last_failure(sql: psycopg.Connection) -> None:
    job = show_job(sql, failed_job(sql, outcome_of(ConnectionResetError("gone away"))))
    assert job.error == kept_error("ConnectionResetError", "gone away") | {"rule": "ConnectionError"}
    assert [(one.number, one.rule) for one in job.coming_tries] == [(n, "ConnectionError") for n in (2, 3, 4)]
    start = max(job.run_at, job.seen_at)
    assert [one.earliest - start for one in job.coming_tries] == [timedelta(seconds=n) for n in (0, 1, 2)]
    assert [one.latest - start for one in job.coming_tries] == [timedelta(seconds=n) for n in (0, 20, 60)]


def test_why_tells_them_too(sql: psycopg.Connection) -> None:
    job = failed_job(sql, outcome_of(ConnectionResetError("gone away")))
    answer = why(sql, job)
    assert answer.coming_tries[0].number == 2
    assert answer.fingerprint == kept_error("ConnectionResetError", "gone away")["fingerprint"]
    (retry,) = [reason for reason in answer.reasons if reason.kind == "retry"]
    assert "for try 2 of 4" in retry.sentence


def test_a_job_that_failed_and_was_then_put_back_still_has_them(sql: psycopg.Connection) -> None:
    before = show_job(sql, failed_job(sql, outcome_of(ConnectionResetError())))
    job = show_job(sql, failed_job(sql, outcome_of(OSError("odd")), Snooze(before.seen_at + timedelta(hours=1))))
    assert [(one.number, one.rule, one.earliest) for one in job.coming_tries] == [(2, "otherwise", job.run_at)]


def test_a_job_that_failed_for_good_has_none(sql: psycopg.Connection) -> None:
    job = show_job(sql, failed_job(sql, Retry(message="a deadlock", kind="OperationalError")))
    assert (job.state, job.reason, job.coming_tries) == ("failed", "exhausted", [])
    assert job.error["rule"] == "message ~ 'deadlock'"
    assert why(sql, job.id).coming_tries == []


def test_a_type_that_is_not_installed_tells_none(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql, job_type="test.unknown")
    settle_one(sql, held, Retry())
    assert show_job(sql, held.id).coming_tries == []


def test_the_command_line_shows_fingerprint_rule_and_tries(retinue: CommandLine, sql: psycopg.Connection) -> None:
    job = failed_job(sql, outcome_of(ConnectionResetError("gone away")))
    fingerprint = kept_error("ConnectionResetError", "gone away")["fingerprint"]
    for said in (retinue.say("jobs", "show", job), retinue.say("jobs", "why", job)):
        for words in (fingerprint, "Coming tries, if each fails at once", "Earliest (UTC)", "Rule", "ConnectionError"):
            assert words in said
    told = retinue.json("jobs", "why", job)
    assert (told["fingerprint"], told["coming_tries"][0]["rule"]) == (fingerprint, "ConnectionError")
