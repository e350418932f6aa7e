from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.enqueue import enqueue
from infra.postgres.job_actions import ActionResult, Deed, cancel_jobs, retry_jobs, run_jobs_now
from retinue.outcomes import Completed, Fail
from tests.support.assertions import assert_consistent, events_of, history_of, row_of
from tests.support.factories import ECHO, add_jobs, queue_jobs, run_jobs, settle_one

IN_AN_HOUR = datetime.now(UTC) + timedelta(hours=1)


def failed_job(sql: psycopg.Connection) -> int:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Fail("no use"))
    return held.id


def test_a_failed_job_is_retried_as_a_new_one(sql: psycopg.Connection) -> None:
    old = enqueue(sql, ECHO, {"message": "hello"}, account_id=3, priority=2).id
    assert cancel_jobs(sql, [old]) == [ActionResult(old, Deed.CANCELLED)]

    (result,) = retry_jobs(sql, [old])

    assert result.deed is Deed.RETRIED
    assert result.new_job_id is not None
    columns = "type, account_id, lane, priority, payload->>'message', retry_of, attempt, state, run_at <= now()"
    assert row_of(sql, result.new_job_id, columns) == (ECHO, 3, "account:3", 2, "hello", old, 0, "pending", True)
    assert history_of(sql, old, "state") == ("cancelled",)
    assert_consistent(sql)


def test_retrying_twice_makes_one_job_while_it_is_unfinished(sql: psycopg.Connection) -> None:
    old = failed_job(sql)
    (first,) = retry_jobs(sql, [old])

    (second,) = retry_jobs(sql, [old])

    assert second.deed is Deed.NOTHING
    assert second.new_job_id == first.new_job_id
    assert f"Job {first.new_job_id}" in str(second.problem)


def test_a_retry_keeps_the_unique_key(sql: psycopg.Connection) -> None:
    old = enqueue(sql, ECHO, unique_key="one").id
    cancel_jobs(sql, [old])
    holder = enqueue(sql, ECHO, unique_key="one").id

    (result,) = retry_jobs(sql, [old])

    assert (result.deed, result.new_job_id) == (Deed.NOTHING, holder)


def test_a_waiting_job_becomes_due(sql: psycopg.Connection) -> None:
    (waiting,) = add_jobs(sql, run_at=IN_AN_HOUR)
    sql.execute("UPDATE lane_wakes SET due_at = NULL")

    assert retry_jobs(sql, [waiting]) == [ActionResult(waiting, Deed.MADE_DUE)]

    assert row_of(sql, waiting, "run_at <= now()") == (True,)
    assert_consistent(sql)


def test_run_now_does_the_same(sql: psycopg.Connection) -> None:
    (waiting,) = add_jobs(sql, run_at=IN_AN_HOUR)

    assert run_jobs_now(sql, [waiting]) == [ActionResult(waiting, Deed.MADE_DUE)]
    (again,) = run_jobs_now(sql, [waiting])
    assert (again.deed, again.problem) == (
        Deed.NOTHING,
        f"Job {waiting} is due already; `retinue jobs why {waiting}` says what it waits for.",
    )


def test_run_now_makes_no_new_job(sql: psycopg.Connection) -> None:
    old = failed_job(sql)

    (result,) = run_jobs_now(sql, [old])

    assert result.deed is Deed.NOTHING
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_what_cannot_be_retried_says_why(sql: psycopg.Connection) -> None:
    running, completed = run_jobs(sql, 2)
    settle_one(sql, completed, Completed())

    problems = {result.job_id: result.problem for result in retry_jobs(sql, [running.id, completed.id, 4711])}

    assert problems == {
        running.id: f"Job {running.id} is running already.",
        completed.id: f"Job {completed.id} is completed; enqueue a new one to run it again.",
        4711: "There is no job 4711.",
    }


def test_a_payload_that_no_longer_fits_keeps_only_its_own_job_from_being_retried(sql: psycopg.Connection) -> None:
    bad, good = failed_job(sql), failed_job(sql)
    sql.execute('UPDATE job_history SET payload = \'{"seconds": "long"}\' WHERE id = %s', (bad,))

    first, second = retry_jobs(sql, [bad, good])

    assert "does not fit" in str(first.problem)
    assert second.deed is Deed.RETRIED


def test_waiting_jobs_are_cancelled_at_once(sql: psycopg.Connection) -> None:
    pending, queued = add_jobs(sql, 2)
    queue_jobs(sql, [queued])

    assert cancel_jobs(sql, [pending, queued]) == [
        ActionResult(pending, Deed.CANCELLED),
        ActionResult(queued, Deed.CANCELLED),
    ]

    assert history_of(sql, pending, "state, reason") == ("cancelled", "cancel")
    assert events_of(sql, queued) == ["queued → cancelled (cancel)"]
    assert_consistent(sql)


def test_a_running_job_is_asked_to_stop(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)

    assert cancel_jobs(sql, [held.id]) == [ActionResult(held.id, Deed.CANCEL_REQUESTED)]

    assert row_of(sql, held.id, "state, cancel_requested_at IS NOT NULL") == ("running", True)


def test_what_cannot_be_cancelled_says_why(sql: psycopg.Connection) -> None:
    old = failed_job(sql)

    finished, missing = cancel_jobs(sql, [old, 4711])

    assert finished == ActionResult(old, Deed.NOTHING, problem=f"Job {old} is failed already.")
    assert missing == ActionResult(4711, Deed.NOTHING, problem="There is no job 4711.")


def test_an_id_that_is_given_twice_is_acted_on_once(sql: psycopg.Connection) -> None:
    (pending,) = add_jobs(sql)

    assert cancel_jobs(sql, [pending, pending]) == [ActionResult(pending, Deed.CANCELLED)]


@pytest.mark.parametrize("action", [retry_jobs, cancel_jobs, run_jobs_now])
def test_no_ids_are_no_work(sql: psycopg.Connection, action: object) -> None:
    assert callable(action)
    assert action(sql, []) == []


def test_a_job_that_is_claimed_while_it_is_cancelled_is_asked_to_stop(
    sql: psycopg.Connection, database_url: str
) -> None:
    """The cancel waits for the claim's lock, finds the job running, and asks."""
    (queued,) = add_jobs(sql)
    queue_jobs(sql, [queued])
    results: list[ActionResult] = []
    with psycopg.connect(database_url) as claiming, psycopg.connect(database_url) as cancelling:
        claiming.execute(
            "UPDATE jobs SET state = 'running', reason = 'claim', attempt = 1, servant_id = 1, lease_until = now()"
            " + interval '1 minute' WHERE id = %s",
            (queued,),
        )
        pid = cancelling.info.backend_pid
        thread = threading.Thread(target=lambda: results.extend(cancel_jobs(cancelling, [queued])))
        thread.start()
        wait_until_blocked(sql, pid)
        claiming.commit()
        thread.join(10)

    assert results == [ActionResult(queued, Deed.CANCEL_REQUESTED)]


def wait_until_blocked(sql: psycopg.Connection, pid: int) -> None:
    """Return once the backend waits for another's lock."""
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while datetime.now(UTC) < deadline:
        if sql.execute("SELECT cardinality(pg_blocking_pids(%s))", (pid,)).fetchone() != (0,):
            return
    raise AssertionError(f"backend {pid} never waited")
