"""Jobs that are asked to stop: by a person, by their time limit, by a lost lease. Some do, some do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from infra.postgres.job_actions import cancel_jobs
from retinue import Completed, Job, Outcome, TransientError, seconds
from retinue.errors import LeaseLost
from retinue.settlement import kept_error
from servants.runtime import process as runtime
from tests.support.assertions import assert_consistent, events_of, history_of, row_of, state_of
from tests.support.race import DEADLINE_SECONDS, wait_until
from tests.support.runtime import Gate, House, Say, kind_of, open_house

#: A limit and a grace that are over in a moment.
SHORT: dict[str, Any] = {"timeout": seconds(0.05), "grace": seconds(0.05)}


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


def cancel(house: House, *jobs: int) -> None:
    """As the manager and the command line do."""
    with house.sql.transaction():
        cancel_jobs(house.sql, jobs)


def obeying(job: Job[Say]) -> Outcome:
    """Waits until it is asked to stop, and does."""
    assert job.cancelled.wait(DEADLINE_SECONDS)
    job.stop_if_cancelled()
    return Completed()


def test_a_running_job_that_is_cancelled_learns_of_it_and_stops(house: House) -> None:
    house.start(kind_of(obeying))
    (job,) = house.run()
    house.wait_for("EXISTS (SELECT FROM jobs WHERE state = 'running')")
    cancel(house, job)
    house.wait(job, "cancelled", "cancel")
    assert history_of(house.sql, job, "failures, error") == (0, kept_error("Cancelled", "cancelled"))


def test_a_cancelled_job_that_completes_all_the_same_is_completed(house: House) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        gate(job)
        return Completed({"asked": job.cancelled.is_set()})

    house.start(kind_of(handler))
    (job,) = house.run()
    running = gate.await_entry()
    cancel(house, job)
    assert running.cancelled.wait(DEADLINE_SECONDS)
    gate.open()
    house.wait(job, "completed", "complete")
    assert history_of(house.sql, job, "result, cancel_requested_at IS NOT NULL") == ({"asked": True}, True)


def test_a_cancelled_job_that_would_be_tried_again_is_cancelled_instead(house: House) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        gate(job)
        raise TransientError("no luck")

    house.start(kind_of(handler))
    (job,) = house.run()
    gate.await_entry()
    cancel(house, job)
    gate.open()
    house.wait(job, "cancelled", "cancel")
    assert history_of(house.sql, job, "error->>'message'") == ("no luck",)


def test_a_job_that_is_cancelled_before_it_began_never_begins(house: House) -> None:
    """Claimed, but its slot is taken; the lease is short, so the heartbeat renews waiting jobs and hears of it."""
    gate = house.gate()
    process = house.start(kind_of(gate, slots=1), lease_seconds=0.3)
    first, second, third = house.add({}, {}, {})
    house.send(first, second, third)
    gate.await_entry()
    cancel(house, second)
    wait_until(lambda: "cancelled" in [held.asked_why for held in process._held.snapshot()], "nobody asked it to stop")
    gate.open()
    house.wait(second, "cancelled", "cancel")
    house.wait(third, "completed", "complete")
    house.wait(first, "completed", "complete")
    assert [job.id for job in gate.jobs] == [first, third]
    assert history_of(house.sql, second, "error->>'message'") == ("cancelled before it began",)


def test_a_job_that_obeys_its_time_limit_is_tried_again(house: House) -> None:
    process = house.start(kind_of(obeying, timeout=seconds(0.05)))
    (job,) = house.run()
    house.wait(job, "failed", "exhausted")
    error = kept_error("JobTimeout", "the job passed its time limit and stopped")
    assert history_of(house.sql, job, "failures, error") == (3, error)
    assert events_of(house.sql, job)[0] == "running → pending (retry)"
    assert process.exit_code == 0


def test_a_stubborn_job_fails_and_its_process_hands_back_the_others_and_asks_to_be_replaced(house: House) -> None:
    stubborn, patient = house.gate(), house.gate()

    def handler(job: Job[Say]) -> Outcome:
        (stubborn if job.payload.text == "stubborn" else patient)(job)
        return Completed()

    process = house.start(kind_of(handler, grace=seconds(0.05)))
    bad, good = house.run({"text": "stubborn"}, {})
    running = stubborn.await_entry()
    patient.await_entry()
    (waiting,) = house.run()
    cancel(house, bad)

    assert process.wait_until_asked(DEADLINE_SECONDS)
    process.drain()

    assert process.exit_code == runtime.EXIT_OVERRUN == 70
    assert state_of(house.sql, bad) == ("failed", "overrun")
    assert running.cancelled.reason == "cancelled"
    error = history_of(house.sql, bad, "error->>'message'")
    assert error == ("asked to stop (cancelled), it did not within its grace of 0.05 s",)
    assert row_of(house.sql, good, "state::text, reason::text, failures, deaths") == ("pending", "release", 0, 0)
    assert row_of(house.sql, waiting, "failures, deaths") == (0, 0)
    assert house.sql.execute("SELECT state FROM servants").fetchall() == [("stopped",)]


def test_a_stubborn_job_that_ends_later_changes_nothing(house: House) -> None:
    gate = house.gate()
    process = house.start(kind_of(gate, **SHORT))
    (job,) = house.run()
    gate.await_entry()
    assert process.wait_until_asked(DEADLINE_SECONDS)
    house.wait(job, "failed", "overrun")
    gate.open()
    wait_until(lambda: not process._held.snapshot(), "the late one to be forgotten")
    process.drain()
    assert state_of(house.sql, job) == ("failed", "overrun")


def test_a_job_that_completed_in_its_commit_and_goes_on_for_ever_stays_completed(house: House) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        with job.commit() as tx:
            tx.complete(Completed())
        gate(job)
        return Completed()

    process = house.start(kind_of(handler, **SHORT))
    (job,) = house.run()
    assert process.wait_until_asked(DEADLINE_SECONDS)
    assert process.exit_code == 70
    assert state_of(house.sql, job) == ("completed", "complete")


def take_away(house: House, job: int) -> None:
    """As if the job had been rescued and claimed by another servant."""
    house.sql.execute("UPDATE jobs SET attempt = attempt + 1 WHERE id = %s", (job,))


def finish_elsewhere(house: House, job: int) -> None:
    """Let the other servant be done."""
    house.sql.execute("DELETE FROM jobs WHERE id = %s", (job,))


class Committing:
    """Tries to commit after its gate was opened, and keeps what came of it."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.errors: list[LeaseLost] = []

    def __call__(self, job: Job[Say]) -> Outcome:
        self.gate(job)
        try:
            with job.commit() as tx:
                tx.execute("INSERT INTO accounts (name) VALUES ('too late')")
        except LeaseLost as lost:
            self.errors.append(lost)
            raise
        return Completed()


def test_an_attempt_that_lost_its_lease_is_told_and_can_write_nothing(house: House) -> None:
    handler = Committing(house.gate())
    process = house.start(kind_of(handler))
    (job,) = house.run()
    running = handler.gate.await_entry()
    take_away(house, job)

    assert running.cancelled.wait(DEADLINE_SECONDS)
    assert running.cancelled.reason == "lease lost"
    before = row_of(house.sql, job, "jobs.*")
    handler.gate.open()
    wait_until(lambda: not process._held.snapshot(), "the attempt to end")

    assert [lost.message for lost in handler.errors] == [f"attempt 1 no longer holds job {job}; nothing was written"]
    assert house.sql.execute("SELECT count(*) FROM accounts").fetchone() == (0,)
    assert row_of(house.sql, job, "jobs.*") == before
    assert not running.settled
    finish_elsewhere(house, job)


def test_an_attempt_that_lost_its_lease_and_does_not_stop_costs_the_process(house: House) -> None:
    gate = house.gate()
    process = house.start(kind_of(gate, grace=seconds(0.05)))
    (job,) = house.run()
    gate.await_entry()
    take_away(house, job)
    assert process.wait_until_asked(DEADLINE_SECONDS)
    assert process.exit_code == 70
    assert row_of(house.sql, job, "state::text, attempt") == ("running", 2)
    finish_elsewhere(house, job)


def test_a_later_attempt_may_run_beside_one_that_lost_its_lease(house: House) -> None:
    """Both are watched: neither hides the other."""
    gate = house.gate()
    process = house.start(kind_of(gate))
    (job,) = house.run()
    first = gate.await_entry()
    with process._settler._writes:
        # No heartbeat renews it meanwhile.
        house.sql.execute("UPDATE jobs SET lease_until = now() - interval '1 s'")
        assert house.rescue() == 1
    assert house.dispatch() == 1
    second = gate.await_entry()
    assert first.cancelled.wait(DEADLINE_SECONDS)
    assert (first.attempt, second.attempt, second.cancelled.is_set()) == (1, 2, False)
    assert [held.facts.attempt for held in process._held.running()] == [1, 2]
    gate.open()
    house.wait(job, "completed", "complete")
    assert history_of(house.sql, job, "attempt, deaths") == (2, 1)
