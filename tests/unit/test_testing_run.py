"""`retinue.testing.run`: one attempt inline says what production would make of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from retinue import (
    AsyncJob,
    Completed,
    Connection,
    CredentialError,
    Exponential,
    Fail,
    Job,
    NoPayload,
    Outcome,
    Payload,
    RateLimited,
    TransientError,
    minutes,
    seconds,
    servant,
)
from retinue.errors import InvalidPayload
from retinue.testing import FakeClock, run

LATER = datetime(2031, 1, 1, tzinfo=UTC)


class Import(Payload):
    rows: int = 300


@servant(
    "test.import", retry=Exponential(base=60, cap=600, attempts=3, draw=lambda _low, high: high), timeout=minutes(5)
)
def import_rows(job: Job[Import]) -> Outcome:
    """A hundred rows a step."""
    for first in range((job.checkpoint or {}).get("next", 0), job.payload.rows, 100):
        job.stop_if_cancelled()
        with job.commit() as tx:
            tx.execute("INSERT INTO imported (n) VALUES (%s)", (first,))
            tx.checkpoint({"next": first + 100})
        job.progress(first + 100, job.payload.rows)
    job.anomaly("all_there", rows=job.payload.rows)
    return Completed({"rows": job.payload.rows})


def raising(error: BaseException | type[BaseException]) -> Any:
    @servant("test.raise", retry=Exponential(base=10, cap=10, floor=10, attempts=2))
    def fail(job: Job[NoPayload]) -> None:
        raise error

    return fail


def test_a_whole_run() -> None:
    ran = run(import_rows, {"rows": 200}, account_id=7)
    assert (ran.state, ran.reason, ran.result) == ("completed", "complete", {"rows": 200})
    assert ran.statements == [("INSERT INTO imported (n) VALUES (%s)", (n,)) for n in (0, 100)]
    assert [commit.checkpoint for commit in ran.commits] == [{"next": 100}, {"next": 200}]
    assert (ran.progress, ran.checkpoint) == ((200, 200), {"next": 200})
    assert ran.anomalies == [("all_there", {"rows": 200})]
    assert (ran.error, ran.raised, ran.next_try_at) == (None, None, None)
    assert (ran.job.account_id, ran.job.facts.lane, ran.job.fence) == (7, "account:7", "1.1")


def test_a_later_attempt_starts_where_it_is_told() -> None:
    ran = run(import_rows, checkpoint={"next": 200}, failures=1, job_id=5)
    assert [params for _, params in ran.statements] == [(200,)]
    assert ran.job.fence == "5.2"


@pytest.mark.parametrize(
    ("stop", "state", "reason"),
    [("cancelled", "cancelled", "cancel"), ("draining", "pending", "release"), ("timed_out", "pending", "retry")],
)
def test_being_asked_to_stop_between_two_steps(stop: Any, state: str, reason: str) -> None:
    ran = run(import_rows, stop=stop, stop_after=1)
    assert (ran.state, ran.reason, ran.checkpoint) == (state, reason, {"next": 100})


def test_the_next_attempt_goes_on_from_the_checkpoint() -> None:
    first = run(import_rows, stop="timed_out", stop_after=1)
    second = first.again()
    assert (second.state, second.job.attempt, second.job.facts.failures) == ("completed", 2, 1)
    assert [params for _, params in second.statements] == [(100,), (200,)]


def test_there_is_no_attempt_after_the_last() -> None:
    with pytest.raises(ValueError, match=r"no next attempt: the job is completed \(complete\)"):
        run(import_rows).again()


def test_a_lost_lease_leaves_what_was_committed_before_it() -> None:
    ran = run(import_rows, lose_lease_after=2)
    assert (ran.state, ran.settlement, len(ran.commits)) == (None, None, 2)


def test_failed_attempts_follow_the_retry_policy_on_the_fake_clock() -> None:
    clock = FakeClock()
    ran = run(raising(TransientError("the provider answered 503")), clock=clock)
    assert (ran.state, ran.reason) == ("pending", "retry")
    assert ran.next_try_at == clock.now() + timedelta(seconds=10)
    assert ran.error is not None
    assert (ran.error["kind"], ran.error["message"]) == ("TransientError", "the provider answered 503")
    last = ran.again()
    assert (last.state, last.reason) == ("failed", "exhausted")
    assert clock.monotonic() == 10


def test_a_limit_puts_the_job_back() -> None:
    ran = run(raising(RateLimited("full", reset_at=LATER)))
    assert (ran.reason, ran.next_try_at) == ("snooze", LATER)


def test_a_refused_sign_in_is_told_with_its_traceback() -> None:
    ran = run(raising(CredentialError("no")))
    assert ran.reason == "snooze"
    assert isinstance(ran.raised, CredentialError)
    assert ran.raised.__traceback__ is not None


@pytest.mark.parametrize("error", [AssertionError("the double was asked twice"), KeyboardInterrupt()])
def test_what_is_meant_for_the_test_is_raised(error: BaseException) -> None:
    with pytest.raises(type(error)):
        run(raising(error))


def test_a_payload_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidPayload, match="rows: Input should be a valid integer"):
        run(import_rows, {"rows": "many"})


class Sync(Payload):
    connection_id: int


@servant("test.sync", lane="connection_id", timeout=minutes(1))
def sync(job: Job[Sync]) -> Outcome:
    connection = job.connection(job.payload.connection_id)
    return Completed({"server": connection.config["url"], "user": connection.credentials["user"]})


CONNECTION = Connection(12, 7, "crm", "main", {"url": "https://crm.example"}, {"user": "jane"})


def test_a_connection_is_the_one_the_test_made_up() -> None:
    ran = run(sync, {"connection_id": 12}, connections=[CONNECTION])
    assert ran.result == {"server": "https://crm.example", "user": "jane"}
    assert (ran.job.account_id, ran.job.facts.lane) == (7, "connection_id:12")


def test_another_account_s_connection_is_not_found() -> None:
    ran = run(sync, {"connection_id": 12}, connections=[CONNECTION], account_id=8)
    assert (ran.state, ran.reason) == ("failed", "permanent")


@servant("test.settle")
def settle_inside(job: Job[Import]) -> Outcome:
    with job.commit() as tx:
        (found,) = tx.execute("SELECT count(*) FROM imported").fetchone() or (0,)
        tx.complete(Completed({"found": found, "too": [1]} if job.payload.rows else {"at": LATER}))
    return Fail("no longer matters")


def test_a_job_may_complete_in_its_commit() -> None:
    ran = run(settle_inside, answers=lambda query, _: [(42,)] if "count" in query else [])
    assert (ran.state, ran.reason, ran.settlement) == ("completed", "complete", None)
    assert ran.result == {"found": 42, "too": [1]}
    assert ran.commits[0].completed == Completed({"found": 42, "too": [1]})


def test_a_commit_that_fails_did_not_happen() -> None:
    ran = run(settle_inside, {"rows": 0})
    assert (ran.state, ran.commits) == ("failed", [])


def test_what_only_a_database_has_says_so() -> None:
    @servant("test.copy")
    def copy(job: Job[NoPayload]) -> None:
        with job.commit() as tx:
            tx.connection.cursor()

    assert "retinue_database" in str(run(copy).raised)


@servant("test.wait", timeout=minutes(5), grace=seconds(1))
def wait(job: Job[Import]) -> Outcome:
    """Wait a minute for each row."""
    for _ in range(job.payload.rows):
        if job.cancelled.wait(60):
            job.stop_if_cancelled()
    return Completed()


def test_waits_take_no_time_and_the_time_limit_is_kept() -> None:
    clock = FakeClock()
    assert run(wait, {"rows": 3}, clock=clock).state == "completed"
    assert clock.monotonic() == 180
    ran = run(wait, {"rows": 100}, clock=clock)
    assert ran.error is not None
    assert (ran.reason, ran.error["kind"]) == ("retry", "JobTimeout")


def test_a_wait_without_an_end_is_refused() -> None:
    @servant("test.for_ever")
    def for_ever(job: Job[NoPayload]) -> None:
        job.cancelled.wait()

    assert "would never return" in str(run(for_ever).raised)


def test_a_handler_may_be_a_coroutine() -> None:
    async def handler(job: AsyncJob[NoPayload]) -> Outcome:
        await asyncio.sleep(0)
        connection = await job.connection(CONNECTION.id)
        async with connection.call() as call, job.commit() as tx:
            call.learn(status=200)
            cursor = await tx.execute("SELECT 7", (connection.name,))
            tx.checkpoint({"rows": [row async for row in cursor], "stopped": await job.cancelled.wait(1)})
        job.progress(1, 2)
        return Completed({"kept": job.checkpoint})

    ran = run(servant("test.awaited")(handler), {}, connections=[CONNECTION], answers=lambda query, params: [(7,)])
    assert ran.result == {"kept": {"rows": [[7]], "stopped": False}}
    assert ran.commits[0].statements == [("SELECT 7", ("main",))]
    assert (ran.job.done, ran.job.total) == (1, 2)


def test_a_coroutine_is_asked_to_stop() -> None:
    async def handler(job: AsyncJob[NoPayload]) -> Outcome:
        job.stop_if_cancelled()
        assert await job.cancelled.wait(60)
        job.stop_if_cancelled()
        return Completed()

    ran = run(servant("test.awaited")(handler), {}, stop="cancelled", stop_after=1)
    assert ran.state == "cancelled"


def test_the_job_s_words_do_not_stay_in_the_log_context() -> None:
    run(import_rows)
    assert structlog.contextvars.get_contextvars() == {}


def test_a_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(LATER)
    clock.advance(timedelta(minutes=1))
    clock.advance_to(LATER)
    assert (clock.now(), clock.monotonic()) == (LATER + timedelta(minutes=1), 60)
    with pytest.raises(ValueError, match="does not run backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="needs a time zone"):
        FakeClock(datetime(2030, 1, 1))  # noqa: DTZ001 - the fault under test
