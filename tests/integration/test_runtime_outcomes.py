"""What becomes of a job by what its handler returns or raises, in a real servant process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.logs import get_logger
from retinue import (
    Cancelled,
    Completed,
    CredentialError,
    Exponential,
    Fail,
    Job,
    Outcome,
    PermanentError,
    RateLimited,
    Retry,
    Snooze,
    TransientError,
)
from retinue.errors import InvalidPayload
from retinue.settlement import kept_error
from tests.support.assertions import assert_consistent, events_of, history_of, row_of
from tests.support.factories import add_account
from tests.support.lanes import holds
from tests.support.runtime import House, Say, captured_logs, kind_of, open_house

RESET = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house
    assert_consistent(sql)


class Unspeakable(Exception):
    """An author's error that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("and this is why")


class Wordless(PermanentError):
    """An author's error that never told its base what it says."""

    def __init__(self) -> None:
        self.code = 7


def raising(error: BaseException) -> Any:
    def handler(job: Job[Say]) -> Outcome:
        raise error

    return handler


def test_a_job_completes_and_its_result_is_kept(house: House) -> None:
    house.start(kind_of(lambda job: Completed({"said": job.payload.text, "attempt": job.attempt})))
    (job,) = house.run({"text": "hello"}, account_id=None)
    house.wait(job, "completed", "complete")
    assert history_of(house.sql, job, "result, attempt, failures, error") == (
        {"said": "hello", "attempt": 1},
        1,
        0,
        None,
    )
    assert house.queues.depth("test.say").visible == 0


def test_a_handler_that_returns_nothing_completes(house: House) -> None:
    house.start(kind_of(lambda job: None))
    (job,) = house.run()
    house.wait(job, "completed", "complete")


def test_a_failing_job_is_tried_again_until_its_attempts_are_spent(house: House) -> None:
    attempts: list[int] = []

    def handler(job: Job[Say]) -> Outcome:
        attempts.append(job.attempt)
        raise TransientError(f"no luck the {job.attempt}. time")

    house.start(kind_of(handler))
    (job,) = house.run()
    house.wait(job, "failed", "exhausted")
    assert attempts == [1, 2, 3]
    assert history_of(house.sql, job, "attempt, failures, error->>'message'") == (3, 3, "no luck the 3. time")
    assert events_of(house.sql, job) == ["running → pending (retry)"] * 2 + ["running → failed (exhausted)"]


def test_a_retry_waits_for_its_backoff(house: House) -> None:
    backoff = Exponential(base=600, cap=600, attempts=3, draw=lambda _low, high: high)
    house.start(kind_of(raising(ValueError("odd")), retry=backoff))
    (job,) = house.run()
    house.wait(job, "pending", "retry")
    assert house.dispatch() == 0
    waits, failures, error = row_of(house.sql, job, "run_at - now() > interval '9 minutes', failures, error")
    assert (waits, failures, error) == (True, 1, kept_error("ValueError", "odd"))


def test_a_provider_limit_snoozes_until_its_reset_and_counts_no_failure(house: House) -> None:
    house.start(kind_of(raising(RateLimited("slow down", reset_at=RESET))))
    (job,) = house.run()
    house.wait(job, "pending", "snooze")
    assert house.dispatch() == 0
    assert row_of(house.sql, job, "run_at, failures, attempt") == (RESET, 0, 1)


def test_refused_credentials_park_the_lane_until_a_person_resumes_it(house: House) -> None:
    refuses = [True]

    def handler(job: Job[Say]) -> Outcome:
        if refuses:
            raise CredentialError("the token was revoked")
        return Completed()

    house.start(kind_of(handler))
    (first,) = house.run()
    house.wait(first, "pending", "snooze")
    assert holds(house.sql) == [("account:1", "incident", "the token was revoked")]
    (second,), (elsewhere,) = house.add(), house.add(lane="account:2")

    # Only the other lane's job is dispatched
    assert house.dispatch() == 1
    house.wait(elsewhere, "pending", "snooze")
    assert row_of(house.sql, second, "state::text, attempt") == ("pending", 0)
    assert row_of(house.sql, first, "failures, attempt") == (0, 1)

    refuses.clear()
    house.resume("account:1")
    for job in (first, second):
        house.wait(job, "completed", "complete")


@pytest.mark.parametrize(
    ("error", "message"), [(PermanentError("no such mailbox"), "no such mailbox"), (Wordless(), "Wordless")]
)
def test_a_permanent_error_fails_at_once(house: House, error: Exception, message: str) -> None:
    house.start(kind_of(raising(error)))
    (job,) = house.run()
    house.wait(job, "failed", "permanent")
    kept = history_of(house.sql, job, "attempt, failures, error")
    assert kept == (1, 1, kept_error(type(error).__name__, message))


@pytest.mark.parametrize(
    ("returned", "kind", "message"),
    [
        ("done", "InvalidOutcome", "the handler returned str, which is no outcome"),
        (Completed({"at": datetime}), "InvalidResult", "the result cannot be written as JSON"),
        (Completed({"text": "\0"}), "InvalidResult", "NUL"),
        (Completed({"share": float("nan")}), "InvalidResult", "Out of range float"),
        (Completed(["a"]), "InvalidResult", "cannot"),  # type: ignore[arg-type] # what the author got wrong
        (Retry(after="soon"), "InvalidOutcome", "settling Retry raised AttributeError"),  # type: ignore[arg-type] # likewise
        (Retry(after=timedelta.max), "InvalidOutcome", "the outcome cannot be stored"),
        (Fail("not today", "Unwilling"), "Unwilling", "not today"),
    ],
)
def test_what_cannot_be_kept_fails_with_a_clear_error(house: House, returned: Any, kind: str, message: str) -> None:
    house.start(kind_of(lambda job: returned))
    (job,) = house.run()
    house.wait(job, "failed", "permanent")
    error = history_of(house.sql, job, "error")[0]
    assert (error["kind"], message in error["message"]) == (kind, True), error


@pytest.mark.parametrize(
    "stray",
    [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Unspeakable()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_handler_raises_its_slot_goes_on(house: House, stray: BaseException) -> None:
    def handler(job: Job[Say]) -> Outcome:
        if job.payload.text == "stray":
            raise stray
        return Completed()

    house.start(kind_of(handler, slots=1, retry=Exponential(attempts=1)))
    (bad,) = house.run({"text": "stray"})
    house.wait(bad, "failed", "exhausted")
    (good,) = house.run()
    house.wait(good, "completed", "complete")
    assert history_of(house.sql, bad, "error->>'kind'") == (type(stray).__name__,)


@pytest.mark.parametrize("payload", [{"text": 7}, {"unknown": 1}])
def test_a_stored_payload_that_no_longer_fits_fails_with_what_was_expected(
    house: House, payload: dict[str, object]
) -> None:
    house.start(kind_of(lambda job: None))
    (job,) = house.run(payload)
    house.wait(job, "failed", "permanent")
    error = history_of(house.sql, job, "error")[0]
    assert error["kind"] == "InvalidPayload"
    assert "does not fit Say (text (optional))" in error["message"]


def test_a_payload_refused_inside_the_handler_is_the_handlers_own_failure(house: House) -> None:
    house.start(kind_of(raising(InvalidPayload("of another job")), retry=Exponential(attempts=1)))
    (job,) = house.run()
    house.wait(job, "failed", "exhausted")


def test_a_handler_may_snooze_or_cancel_of_its_own_accord(house: House) -> None:
    answers: dict[str, Outcome] = {"later": Snooze(RESET, "not yet"), "never": Cancelled("no longer needed")}
    house.start(kind_of(lambda job: answers[job.payload.text]))
    later, never = house.run({"text": "later"}, {"text": "never"})
    house.wait(later, "pending", "snooze")
    house.wait(never, "cancelled", "cancel")
    assert row_of(house.sql, later, "run_at, failures") == (RESET, 0)


def test_log_lines_carry_the_job_and_nothing_of_the_one_before_on_the_same_thread(house: House) -> None:
    with captured_logs() as logs:

        def handler(job: Job[Say]) -> Outcome:
            get_logger("tests.handler").info("handler_spoke", said=job.payload.text)
            return Completed()

        process = house.start(kind_of(handler, slots=1))
        account = add_account(house.sql)
        (first,) = house.run({"text": "first"}, account_id=account, request_id="req-1")
        (second,) = house.run({"text": "second"})
        house.wait(second, "completed", "complete")
        one, two = logs.wait("handler_spoke", count=2)
    keys = ("said", "request", "account", "job", "attempt", "servant", "thread_name")
    assert [one.get(key) for key in keys] == ["first", "req-1", account, first, 1, process.id, "slot-0"]
    assert [two.get(key) for key in keys] == ["second", None, None, second, 1, process.id, "slot-0"]
    assert "request" not in two
