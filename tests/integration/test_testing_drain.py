"""`retinue.testing.drain`: real passes and real servants over a throw-away database, with faults on demand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from retinue import (
    Completed,
    CredentialError,
    Exponential,
    Fail,
    Job,
    NoPayload,
    Outcome,
    Payload,
    TransientError,
    hours,
    minutes,
    servant,
)
from retinue.testing import Faults, NotDrained, RetinueDatabase, drain, storm
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from tests.support.factories import add_schedule

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]


class Note(Payload):
    text: str = ""
    failures: int = 0


@servant("test.note", retry=Exponential(base=600, cap=600, floor=600, attempts=3))
def write_note(job: Job[Note]) -> Outcome:
    """Fail so many times, then write the note."""
    if job.facts.failures < job.payload.failures:
        raise TransientError("not yet")
    with job.commit() as tx:
        tx.execute("INSERT INTO echoes (job_id, attempt, message) VALUES (%s, %s, %s)", (job.id, job.attempt, "note"))
        tx.complete(Completed({"text": job.payload.text}))
    return Completed()


class Sync(Payload):
    connection_id: int


def notes(database: RetinueDatabase) -> list[tuple[int, int]]:
    return database.sql.execute("SELECT job_id, attempt FROM echoes ORDER BY job_id, attempt").fetchall()


def test_what_is_due_is_performed_and_what_is_not_waits(retinue_database: RetinueDatabase) -> None:
    database = retinue_database
    first = database.enqueue(write_note, {"text": "hello"})
    later = database.enqueue(write_note, run_at=database.job(first).seen_at + hours(1))
    done = drain(database, write_note)
    assert (done.completed, done.pending, done.raised) == ([first], [later], [])
    assert database.job(first).result == {"text": "hello"}
    assert notes(database) == [(first, 1)]


def test_a_job_may_make_others(retinue_database: RetinueDatabase) -> None:
    database = retinue_database

    @servant("test.onboard")
    def onboard(job: Job[NoPayload]) -> None:
        for _ in range(3):
            database.enqueue(write_note)

    parent = database.enqueue(onboard)
    done = drain(database, onboard, write_note)
    assert done.completed[0] == parent
    assert len(done.completed) == 4


def test_retries_come_when_time_passes(retinue_database: RetinueDatabase) -> None:
    database = retinue_database
    job = database.enqueue(write_note, {"failures": 2})
    assert drain(database, write_note).pending == [job]
    assert drain(database, write_note, passing=minutes(9)).pending == [job]
    done = drain(database, write_note, passing=minutes(30))
    assert (done.completed, [str(error) for error in done.raised]) == ([job], ["not yet"])
    assert database.clock.monotonic() >= 39 * 60
    assert (database.job(job).failures, database.job(job).attempt) == (2, 3)


def test_a_retry_that_falls_due_between_two_looks_is_not_missed(
    retinue_database: RetinueDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = retinue_database.enqueue(write_note, {"failures": 1})
    look = RetinueDatabase.next_moment

    def fall_due_and_look(database: RetinueDatabase, types: list[str], **since: Any) -> timedelta | None:
        monkeypatch.setattr(RetinueDatabase, "next_moment", look)
        database.sql.execute("UPDATE jobs SET run_at = clock_timestamp()")
        database.sql.execute("UPDATE lanes SET due_at = clock_timestamp()")
        return look(database, types, **since)

    monkeypatch.setattr(RetinueDatabase, "next_moment", fall_due_and_look)
    assert drain(retinue_database, write_note).completed == [job]


def test_a_job_that_keeps_failing_is_given_up(retinue_database: RetinueDatabase) -> None:
    job = retinue_database.enqueue(write_note, {"failures": 99})
    assert drain(retinue_database, write_note, passing=hours(2)).failed == [job]
    assert retinue_database.job(job).reason == "exhausted"


def test_schedules_fire_as_time_passes(retinue_database: RetinueDatabase) -> None:
    add_schedule(retinue_database.sql, type="test.note", every_seconds=3600)
    done = drain(retinue_database, write_note, passing=hours(3))
    assert len(done.completed) in (3, 4)


def test_a_refused_sign_in_holds_the_lane(retinue_database: RetinueDatabase) -> None:
    @servant("test.refused")
    def refused(job: Job[NoPayload]) -> None:
        raise CredentialError("no")

    jobs = [retinue_database.enqueue(refused) for _ in range(3)]
    done = drain(retinue_database, refused)
    assert done.pending == jobs
    assert {type(error) for error in done.raised} == {CredentialError}
    assert retinue_database.sql.execute("SELECT kind FROM lane_holds").fetchall() == [("incident",)]


def test_a_failed_assertion_is_the_test_s(retinue_database: RetinueDatabase) -> None:
    @servant("test.asserting")
    def asserting(job: Job[NoPayload]) -> None:
        raise AssertionError("asked twice")

    retinue_database.enqueue(asserting)
    with pytest.raises(AssertionError, match="asked twice"):
        drain(retinue_database, asserting)


def test_a_drain_has_an_end(retinue_database: RetinueDatabase) -> None:
    @servant("test.endless")
    def endless(job: Job[NoPayload]) -> Outcome:
        job.cancelled.wait(20)
        return Fail("asked to stop")

    retinue_database.enqueue(endless)
    with pytest.raises(NotDrained, match="1 running"):
        drain(retinue_database, endless, seconds=0.5)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(duplicate=1),
        Faults(lose=0.5),
        Faults(reorder=1, duplicate=0.5),
        Faults(late_delete=1),
        Faults(redeliver=0.5),
        Faults(delay=0.5),
        Faults(unreachable=0.3),
        storm(0.15),
    ],
    ids=lambda faults: str(faults).partition("(")[2][:40],
)
def test_whatever_the_queues_do_each_job_is_done_once(retinue_database: RetinueDatabase, faults: Faults) -> None:
    database = retinue_database
    database.queues.faults = faults
    jobs = [database.enqueue(write_note, {"text": str(n)}) for n in range(12)]
    done = drain(database, write_note, slots=4)
    assert (done.completed, done.pending, done.failed) == (jobs, [], [])
    assert [job for job, _ in notes(database)] == jobs
    assert database.queues.happened


def test_time_moves_for_whatever_waits(retinue_database: RetinueDatabase) -> None:
    database = retinue_database
    job = database.enqueue(write_note)
    before = database.job(job).run_at
    database.travel(timedelta(hours=5))
    assert before - database.job(job).run_at == timedelta(hours=5)


def test_connections_are_real(retinue_database: RetinueDatabase) -> None:
    database = retinue_database

    @servant("test.connected", lane="connection_id")
    def connected(job: Job[Sync]) -> Outcome:
        return Completed({"user": job.connection(job.payload.connection_id).credentials["user"]})

    account = database.account("Kestrel Freight")
    connection = database.connection(account, "crm", credentials={"user": "jane"})
    job = database.enqueue(connected, {"connection_id": connection}, account_id=account)
    drain(database, connected)
    assert database.job(job).result == {"user": "jane"}
