"""`system.bulk` in a real servant process."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres import bulk
from infra.postgres.job_actions import cancel_jobs
from retinue import Job, Outcome
from retinue.bulk import BULK_TYPE
from retinue.outcomes import Cancelled
from retinue.servant import lent, load_servant
from tests.support.assertions import assert_consistent, history_of, row_of, state_of
from tests.support.bulk import fail_jobs, order
from tests.support.factories import ECHO, add_jobs
from tests.support.race import wait_until
from tests.support.runtime import TYPE, House, Say, kind_of, open_house


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


def start_bulk(house: House, operation: str, **wanted: object) -> int:
    """A servant for bulk operations, and one dispatched to it."""
    given = order(operation, **wanted)
    found = bulk.preview(house.sql, given)
    job = bulk.start(house.sql, given, expected=found.expected)
    house.start(load_servant(BULK_TYPE))
    return job


def test_five_thousand_failed_jobs_are_retried(house: House) -> None:
    failed = fail_jobs(house.sql, 5000)

    job = start_bulk(house, "retry", type=ECHO, error_kind="NoUse", rate=10_000)
    house.wait(job, "completed", "complete")

    (result,) = history_of(house.sql, job, "result")
    assert result == {"operation": "retry", "done": {"retried": 5000}, "left_alone": {}}
    made = house.sql.execute(
        "SELECT retry_of, request_id FROM jobs WHERE type = %s ORDER BY retry_of", (ECHO,)
    ).fetchall()
    assert made == [(old, f"bulk:{job}") for old in failed]


def test_its_progress_is_shown(house: House) -> None:
    add_jobs(house.sql, 30)
    job = start_bulk(house, "cancel", type=ECHO, rate=10)
    house.dispatch()

    house.wait_for("(SELECT progress_done FROM jobs WHERE id = %s) >= 10", job)
    assert row_of(house.sql, job, "progress_total") == (30,)
    cancel_jobs(house.sql, [job])
    house.wait(job, "cancelled", "cancel")


def test_cancelled_in_the_middle_it_says_how_far_it_came(house: House) -> None:
    add_jobs(house.sql, 100)
    job = start_bulk(house, "cancel", type=ECHO, rate=1)
    house.dispatch()
    house.wait_for("(SELECT checkpoint IS NOT NULL FROM jobs WHERE id = %s)", job)

    cancel_jobs(house.sql, [job])
    house.wait(job, "cancelled", "cancel")

    checkpoint, error = history_of(house.sql, job, "checkpoint, error")
    done = checkpoint["done"]["cancelled"]
    assert 0 < done < 100
    assert error["message"] == f"cancelled after {done} jobs"
    left = house.sql.execute("SELECT count(*) FROM jobs WHERE type = %s", (ECHO,)).fetchone()
    assert left == (100 - done,)


def test_running_jobs_are_asked_to_stop(house: House) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        gate.jobs.append(job)
        assert job.cancelled.wait(20)
        return Cancelled(job.cancelled.reason)

    house.start(kind_of(handler))
    running = house.run({}, {})
    house.wait_for("(SELECT count(*) FROM jobs WHERE state = 'running') = 2")

    job = start_bulk(house, "cancel", type=TYPE)
    house.wait(job, "completed", "complete")

    assert history_of(house.sql, job, "result->'done'") == ({"cancel_requested": 2},)
    for stopped in running:
        house.wait(stopped, "cancelled", "cancel")


def test_what_it_makes_is_not_taken_again(house: House) -> None:
    """The retries fail while the operation goes on, and stay as they are."""

    def fail(job: Job[Say]) -> Outcome:
        raise ValueError("no use")

    old = fail_jobs(house.sql, 6, job_type=TYPE)
    kind = kind_of(fail)
    with lent(kind):
        job = start_bulk(house, "retry", type=TYPE, rate=2)
        house.dispatch()
        house.wait_for("EXISTS (SELECT FROM jobs WHERE retry_of = ANY(%s))", old)
        house.start(kind)
        wait_until(lambda: _all_ended(house), "the retries did not end")
    assert state_of(house.sql, job) == ("completed", "complete")
    made = house.sql.execute("SELECT retry_of, state FROM job_history WHERE retry_of IS NOT NULL ORDER BY 1").fetchall()
    assert made == [(job_id, "failed") for job_id in old]


def _all_ended(house: House) -> bool:
    house.dispatch()
    return house.sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_drained_servant_s_operation_goes_on_in_the_next(house: House) -> None:
    add_jobs(house.sql, 40)
    job = bulk.start(house.sql, order("cancel", type=ECHO, rate=20))
    first = house.start(load_servant(BULK_TYPE))
    house.dispatch()
    house.wait_for("(SELECT checkpoint IS NOT NULL FROM jobs WHERE id = %s)", job)

    first.drain()
    assert row_of(house.sql, job, "state, reason, failures") == ("pending", "release", 0)
    house.start(load_servant(BULK_TYPE))
    house.wait(job, "completed", "complete")

    assert history_of(house.sql, job, "attempt, result->'done'") == (2, {"cancelled": 40})
