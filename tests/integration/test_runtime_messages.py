"""What a servant makes of its messages, and what it costs and reports while it works and while it waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from infra.postgres.bell import Bell
from infra.queues.transport import QueueDepth, QueueUnreachable
from infra.settings import load_settings
from retinue import Completed, Job, Outcome, TransientError
from scheduler.process import SchedulerProcess
from servants.runtime import receiver
from tests.support.assertions import assert_consistent, assert_nothing_in_flight, row_of, state_of, states
from tests.support.factories import add_type, queue_jobs
from tests.support.race import DEADLINE_SECONDS
from tests.support.runtime import TYPE, CountedConnection, House, Say, captured_logs, kind_of, open_house

EMPTY = QueueDepth(visible=0, in_flight=0, dead=0)


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(receiver, "FAULT_PAUSE_SECONDS", 0.01)
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


def test_a_message_that_comes_twice_runs_its_job_once(house: House) -> None:
    gate = house.gate()
    process = house.start(kind_of(gate))
    (job,) = house.add()
    queue_jobs(house.sql, [job])
    with captured_logs() as logs:
        house.queues.send(TYPE, [[job, job], [job]])
        gate.await_entry()
        house.queues.send(TYPE, [[job]])
        logs.wait("claim_missed")
        gate.open()
        house.wait(job, "completed", "complete")
        house.queues.send(TYPE, [[job]])
        missed = logs.wait("claim_missed", count=2)
    process.drain()
    assert {(line["jobs"], *line["first"]) for line in missed} == {(1, job)}
    assert (len(gate.jobs), house.queues.depth(TYPE)) == (1, EMPTY)


def test_a_job_of_another_type_is_left_alone(house: House) -> None:
    process = house.start(kind_of(lambda job: None))
    add_type(house.sql, "test.other")
    (stranger,) = house.add(job_type="test.other")
    (own,) = house.add()
    house.send(stranger, own)
    house.wait_for("EXISTS (SELECT FROM job_history WHERE id = %s)", own)
    process.drain()
    assert row_of(house.sql, stranger, "state::text, attempt") == ("queued", 0)
    assert house.queues.depth(TYPE) == EMPTY


@pytest.mark.parametrize("body", ["{", '{"v": 1, "ids": ["7"]}', '{"v": 2, "ids": [7]}'])
def test_a_message_that_cannot_be_read_is_rejected_and_the_next_one_is_not(house: House, body: str) -> None:
    process = house.start(kind_of(lambda job: None))
    house.queues.put(TYPE, body)
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    process.drain()
    (dead,) = house.queues.dead_letters(TYPE)
    assert dead.body == body
    assert house.queues.depth(TYPE).dead == 1


def test_a_message_that_cannot_even_be_rejected_holds_up_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise QueueUnreachable("not now")

    process = house.prepare(kind_of(lambda job: None))
    monkeypatch.setattr(house.queues, "reject", refuse)
    house.queues.put(TYPE, "{")
    (job,) = house.add()
    house.send(job)
    process.start()
    house.wait_for("EXISTS (SELECT FROM job_history WHERE id = %s)", job)
    assert house.queues.depth(TYPE).in_flight >= 1


def test_a_queue_that_is_away_is_asked_again(house: House) -> None:
    process = house.prepare(kind_of(lambda job: None))
    house.queues.outage = "the wire is cut"
    with captured_logs() as logs:
        process.start()
        logs.wait("receive_failed", count=2)
    house.queues.outage = None
    (job,) = house.run()
    house.wait(job, "completed", "complete")


def test_whatever_is_raised_between_queue_and_slots_the_servant_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = house.prepare(kind_of(lambda job: None))
    faults = [RuntimeError("odd"), KeyError("Messages")]
    receive, delete = house.queues.receive, house.queues.delete
    refused: list[int] = []
    refused_one = threading.Event()

    def faulty_receive(*args: Any, **options: Any) -> Any:
        if faults:
            raise faults.pop()
        return receive(*args, **options)

    def faulty_delete(job_type: str, messages: Any) -> None:
        if not refused:
            refused.append(len(messages))
            refused_one.set()
            raise RuntimeError("odd")
        delete(job_type, messages)

    monkeypatch.setattr(house.queues, "receive", faulty_receive)
    monkeypatch.setattr(house.queues, "delete", faulty_delete)
    process.start()
    for _ in range(2):
        (job,) = house.run()
        house.wait(job, "completed", "complete")
        assert refused_one.wait(20), "the first delete lingers, and then is tried alone"
    process.drain()
    assert refused == [1]
    assert house.queues.depth(TYPE) == QueueDepth(visible=0, in_flight=1, dead=0)


def test_two_thousand_jobs_cost_few_statements(house: House) -> None:
    process = house.prepare(kind_of(lambda job: None, slots=4), heartbeat_seconds=5)
    ids = house.add(*({} for _ in range(2000)))
    queue_jobs(house.sql, ids)
    house.queues.send(TYPE, [ids[start : start + 200] for start in range(0, 2000, 200)])
    CountedConnection.counts.clear()
    process.start()
    house.wait_for("(SELECT count(*) = 2000 FROM job_history WHERE state = 'completed' AND attempt = 1)")
    counts = dict(CountedConnection.counts)
    process.drain()
    assert counts["claim_jobs"] <= 10
    assert counts["finish_jobs"] <= 150, "each statement is to settle many jobs"
    assert counts["heartbeat"] <= 10
    assert set(counts) == {"claim_jobs", "finish_jobs", "heartbeat"}
    assert house.queues.calls["DeleteMessageBatch"] <= 10
    assert house.queues.depth(TYPE) == EMPTY


def test_an_idle_servant_asks_the_database_for_nothing_but_heartbeats(house: House) -> None:
    process = house.start(kind_of(lambda job: None), heartbeat_seconds=0.02)
    (job,) = house.run()
    house.wait(job, "completed", "complete")
    assert process._beats.wait_for_runs(process._beats.stats.runs + 1, DEADLINE_SECONDS)
    CountedConnection.counts.clear()
    assert process._beats.wait_for_runs(process._beats.stats.runs + 10, DEADLINE_SECONDS)
    assert set(CountedConnection.counts) == {"heartbeat"}
    assert house.queues.calls["ReceiveMessage"] <= 3


def test_a_servants_row_tells_its_jobs_and_their_progress(house: House) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        job.progress(3, 10)
        gate(job)
        return Completed()

    process = house.start(kind_of(handler))
    (job,) = house.run(account_id=None)
    gate.await_entry()
    house.wait_for("current_jobs->0->>'done' = '3' FROM servants")
    row = house.sql.execute(
        "SELECT id, busy, slots, state, memory_bytes > 1000000, current_jobs FROM servants"
    ).fetchone()
    assert row is not None
    shown = row[5][0]
    assert row[:5] == (process.id, 1, 2, "active", True)
    assert shown.pop("seconds") >= 0
    assert shown == {"job": job, "attempt": 1, "account": None, "lane": "account:1", "done": 3, "total": 10}
    assert row_of(house.sql, job, "progress_done, progress_total") == (3, 10)


def test_the_end_of_the_last_job_shows_at_once_not_at_the_next_heartbeat(house: House) -> None:
    gate = house.gate()
    house.start(kind_of(gate), heartbeat_seconds=3600)
    (job,) = house.run()
    gate.await_entry()
    house.wait_for("busy = 1 FROM servants")
    gate.open()
    house.wait_for("busy = 0 AND current_jobs = '[]' AND rate IS NOT NULL FROM servants")
    assert state_of(house.sql, job) == ("completed", "complete")


@pytest.mark.parametrize("done", ["half", 0.5, 2**63, True])
def test_progress_that_is_no_number_costs_no_lease(house: House, done: Any) -> None:
    gate = house.gate()

    def handler(job: Job[Say]) -> Outcome:
        job.progress(done, 10)
        gate(job)
        return Completed()

    process = house.start(kind_of(handler))
    (job,) = house.run()
    gate.await_entry()
    house.wait_for("progress_total = 10 FROM jobs WHERE id = %s", job)
    assert row_of(house.sql, job, "progress_done") == (None,)
    assert process._beats.stats.errors == 0


def test_with_a_scheduler_at_work_every_job_of_every_lane_ends(house: House) -> None:
    """The whole chain: bell, dispatch, queue, claim, two tries, settle."""

    def handler(job: Job[Say]) -> Outcome:
        if job.attempt == 1:
            raise TransientError("not the first time")
        return Completed()

    house.start(kind_of(handler, slots=4))
    settings = load_settings(env_file=None, database_url=house.url)
    scheduler = SchedulerProcess(settings, database=house.scheduler_database, queues=house.queues)
    bell = Bell(house.url)
    scheduler.start()
    try:
        for lane in range(5):
            house.add(*({} for _ in range(40)), lane=f"account:{lane}")
        bell.ring()
        house.wait_for("(SELECT count(*) = 200 FROM job_history)")
    finally:
        bell.close()
        scheduler.stop()
    assert states(house.sql) == {"completed": 200}
    assert house.sql.execute("SELECT DISTINCT attempt, failures FROM job_history").fetchall() == [(2, 1)]
    assert_nothing_in_flight(house.sql)
