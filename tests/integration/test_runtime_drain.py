"""A servant that ends, and a database that is away: nothing is lost, and no attempt is spent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from infra.postgres import connect
from retinue import Completed, Job, Outcome, seconds
from servants.runtime import process as runtime
from servants.runtime import receiver, surplus
from servants.runtime.slots import Slots
from tests.support.assertions import assert_consistent, events_of, history_of, row_of, state_of
from tests.support.postgres import DatabaseServer
from tests.support.race import DEADLINE_SECONDS, in_background, wait_until
from tests.support.runtime import House, Outage, Say, captured_logs, kind_of, open_house

RELEASED = ("pending", "release", 0, 0)
FATE = "state::text, reason::text, failures, deaths"


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch, postgres: DatabaseServer, sql: psycopg.Connection) -> Iterator[Outage]:
    """The database can be taken away; whoever asks for it then soon gives up."""
    monkeypatch.setattr(connect, "CONNECT_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(runtime, "FLUSH_SECONDS", 0.2)
    monkeypatch.setattr(receiver, "FAULT_PAUSE_SECONDS", 0.05)
    outage = Outage(postgres, sql)
    yield outage
    outage.end()


def test_what_has_not_begun_is_handed_back_at_once_and_what_runs_may_end(house: House) -> None:
    gate = house.gate()
    process = house.start(kind_of(gate, slots=1), drain_grace_seconds=60)
    running, *waiting = house.add({}, {}, {})
    house.send(running, *waiting)
    gate.await_entry()
    with in_background(process.drain):
        for job in waiting:
            house.wait_for("state = 'pending' FROM jobs WHERE id = %s", job)
        assert [row_of(house.sql, job, FATE) for job in waiting] == [RELEASED] * 2
        house.wait_for("state = 'draining' FROM servants")
        assert house.dispatch() == 0
        assert state_of(house.sql, running) == ("running", "claim")
        gate.open()
    assert state_of(house.sql, running) == ("completed", "complete")
    assert len(gate.jobs) == 1
    assert house.sql.execute("SELECT state, busy, current_jobs FROM servants").fetchall() == [("stopped", 0, [])]
    assert process.exit_code == 0


def test_a_drain_is_known_at_once_whenever_the_next_heartbeat_is_due(house: House) -> None:
    gate = house.gate()
    process = house.start(kind_of(gate, slots=1), drain_grace_seconds=60, heartbeat_seconds=3600)
    house.run()
    gate.await_entry()
    house.wait_for("busy = 1 FROM servants")
    with in_background(process.drain):
        house.wait_for("state = 'draining' FROM servants")
        gate.open()


def test_standing_jobs_are_asked_to_stop_at_once(house: House) -> None:
    def handler(job: Job[Say]) -> Outcome:
        assert job.cancelled.wait(DEADLINE_SECONDS)
        job.stop_if_cancelled()
        return Completed()

    process = house.start(kind_of(handler, standing=True), drain_grace_seconds=3600)
    (job,) = house.run()
    house.wait_for("state = 'running' FROM jobs WHERE id = %s", job)
    with in_background(process.drain):
        house.wait_for("state = 'pending' FROM jobs WHERE id = %s", job)
    assert row_of(house.sql, job, FATE) == RELEASED


def test_a_job_that_stops_when_the_grace_is_over_is_released(house: House) -> None:
    reasons: list[str] = []
    begun = threading.Event()

    def handler(job: Job[Say]) -> Outcome:
        begun.set()
        assert job.cancelled.wait(DEADLINE_SECONDS)
        reasons.append(job.cancelled.reason)
        job.stop_if_cancelled()
        return Completed()

    process = house.start(kind_of(handler), drain_grace_seconds=0.05)
    (job,) = house.run()
    # A job is claimed before it begins, and one that has not begun when the grace is over is released unbegun.
    assert begun.wait(DEADLINE_SECONDS)
    process.drain()
    assert reasons == ["servant draining"]
    assert row_of(house.sql, job, FATE) == RELEASED
    assert events_of(house.sql, job) == ["running → pending (release)"]


def test_a_job_that_does_not_stop_is_released_over_its_head_and_can_write_nothing_more(house: House) -> None:
    gate, ended = house.gate(), threading.Event()

    def handler(job: Job[Say]) -> Outcome:
        gate(job)
        try:
            with job.commit() as tx:
                tx.execute("INSERT INTO accounts (name) VALUES ('late')")
        finally:
            ended.set()
        return Completed()

    process = house.start(kind_of(handler, grace=seconds(0.05)))
    (job,) = house.run()
    gate.await_entry()
    process.drain()
    assert row_of(house.sql, job, FATE) == RELEASED
    assert process.exit_code == 0
    gate.open()
    assert ended.wait(DEADLINE_SECONDS)
    assert row_of(house.sql, job, FATE) == RELEASED
    assert house.sql.execute("SELECT count(*) FROM accounts").fetchone() == (0,)


def test_a_long_grace_of_the_type_does_not_outlast_supervisors_patience(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "LAST_MOMENT_SECONDS", 0.05)
    gate = house.gate()
    process = house.start(kind_of(gate, grace=seconds(600)))
    (job,) = house.run()
    gate.await_entry()
    process.drain()
    assert row_of(house.sql, job, FATE) == RELEASED


def test_a_job_claimed_while_the_drain_begins_is_handed_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "FLUSH_SECONDS", 0.05)
    gate, claiming, go_on = house.gate(), threading.Event(), threading.Event()
    process = house.start(kind_of(gate), drain_grace_seconds=60)
    (first,) = house.run()
    gate.await_entry()
    claim = process._receiver._claimer.claim

    def slow_claim(ids: list[int]) -> Any:
        claiming.set()
        assert go_on.wait(DEADLINE_SECONDS)
        return claim(ids)

    monkeypatch.setattr(process._receiver._claimer, "claim", slow_claim)
    (late,) = house.run()
    assert claiming.wait(DEADLINE_SECONDS)
    with in_background(process.drain):
        slots = process._slots
        assert isinstance(slots, Slots)
        wait_until(lambda: slots._closed, "the slots to close")
        go_on.set()
        house.wait_for("state = 'pending' FROM jobs WHERE id = %s", late)
        gate.open()
    assert row_of(house.sql, late, FATE) == RELEASED
    assert state_of(house.sql, first) == ("completed", "complete")


def test_jobs_that_wait_too_long_for_a_slot_are_handed_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surplus, "PATIENCE_SECONDS", 0.05)
    gate = house.gate()
    house.start(kind_of(gate, slots=1))
    running, *waiting = house.add({}, {}, {})
    house.send(running, *waiting)
    gate.await_entry()
    for job in waiting:
        house.wait_for("state = 'pending' FROM jobs WHERE id = %s", job)
    assert [row_of(house.sql, job, FATE) for job in waiting] == [RELEASED] * 2
    gate.open()
    for job in (running, *waiting):
        house.wait(job, "completed", "complete")


def test_a_claim_that_finds_no_database_is_made_later(house: House, outage: Outage) -> None:
    house.start(kind_of(lambda job: None))
    (job,) = house.add()
    outage.begin()
    with captured_logs() as logs:
        house.send(job)
        logs.wait("database_away")
        assert state_of(house.sql, job) == ("queued", "dispatch")
        outage.end()
        house.wait_for("EXISTS (SELECT FROM job_history WHERE id = %s AND state = 'completed')", job)
    assert history_of(house.sql, job, "attempt, deaths") == (1, 0)


def test_an_outcome_that_finds_no_database_is_kept_and_written_later(house: House, outage: Outage) -> None:
    """And the job, which has ended, is not taken for one that ignores its time limit meanwhile."""
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        gate(job)
        return Completed({"kept": True})

    process = house.start(kind_of(handler, timeout=seconds(1), grace=seconds(0)))
    (job,) = house.run()
    gate.await_entry()
    (held,) = process._held.running()
    with captured_logs() as logs:
        outage.begin()
        gate.open()
        logs.wait("settle_failed")
        limit = (held.started_at or 0) + 1.2
        wait_until(lambda: time.monotonic() > limit, "the time limit to pass")
        looks = process._watch.stats.runs
        assert process._watch.wait_for_runs(looks + 2, DEADLINE_SECONDS)
        outage.end()
        house.wait_for("EXISTS (SELECT FROM job_history WHERE id = %s AND state = 'completed')", job)
        assert logs.all("job_overran") == logs.all("job_timed_out") == []
    assert history_of(house.sql, job, "attempt, result, deaths") == (1, {"kept": True}, 0)
    assert process.exit_code == 0


def test_leases_are_renewed_soon_after_the_database_is_back(house: House, outage: Outage) -> None:
    gate = house.gate()
    process = house.start(kind_of(gate), heartbeat_seconds=2)
    (job,) = house.run()
    gate.await_entry()
    outage.begin()
    errors = process._beats.stats.errors
    wait_until(lambda: process._beats.stats.errors >= errors + 3, "heartbeats to fail")
    house.sql.execute("UPDATE jobs SET lease_until = now() + interval '5 seconds'")
    outage.end()
    house.wait_for("lease_until > now() + interval '20 seconds' FROM jobs WHERE id = %s", job)
    assert process._beats._backoff.ceiling(100) <= runtime.BEAT_RETRY_SECONDS


def test_a_drain_without_a_database_ends_and_rescue_takes_what_it_held(house: House, outage: Outage) -> None:
    gate = house.gate()
    process = house.start(kind_of(gate, slots=1), drain_grace_seconds=0.2)
    running, waiting = house.add({}, {})
    house.send(running, waiting)
    gate.await_entry()
    outage.begin()
    gate.open()
    process.drain()
    # As the end of the process would, before the last of their tries could still succeed.
    process._settler._thread.join(DEADLINE_SECONDS)
    assert process._beats.stop(DEADLINE_SECONDS)
    outage.end()
    assert process.exit_code == 0
    assert [state_of(house.sql, job)[0] for job in (running, waiting)] == ["running"] * 2
    house.sql.execute("UPDATE jobs SET lease_until = now()")
    assert house.rescue() == 2
    assert [state_of(house.sql, job) for job in (running, waiting)] == [("pending", "rescue")] * 2
