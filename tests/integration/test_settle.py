"""Settling: what every outcome writes, what a stale attempt cannot, and figures that agree with the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from psycopg.errors import DataError

from infra.postgres.settle import settle_jobs
from infra.postgres.statements import statement
from retinue.outcomes import Cancelled, Completed, Fail, Outcome, Park, Retry, Snooze
from retinue.retry import Exponential
from retinue.settlement import Settlement, kept_error, overrun, settle, unwritable
from retinue.states import JobState, Reason
from tests.support.assertions import (
    assert_consistent,
    assert_rollups_count_history,
    events_of,
    history_of,
    row_of,
    state_of,
    states,
)
from tests.support.factories import (
    ECHO,
    LONGEST_WAIT,
    Held,
    add_jobs,
    add_type,
    claim_jobs,
    heartbeat_params,
    queue_jobs,
    run_jobs,
    settle_one,
)
from tests.support.lanes import holds
from tests.support.race import in_background, together, wait_until_blocked

TOMORROW = datetime.now(UTC) + timedelta(days=1)


def settle_all(sql: psycopg.Connection, settlements: list[Settlement], *, shard: int = 0) -> set[tuple[int, int]]:
    """Settle a batch in one transaction; which of them were written."""
    with sql.transaction():
        return set(settle_jobs(sql, [(settlement, 0.5) for settlement in settlements], shard=shard).done)


def request_cancel(sql: psycopg.Connection, held: Held) -> None:
    assert sql.execute(statement("request_cancel"), {"ids": [held.id]}).fetchall() == [(held.id,)]


def release(held: Held) -> Settlement:
    """A draining servant hands the job back."""
    return settle(held.id, held.attempt, Cancelled(), retry=LONGEST_WAIT, failures=0, released=True)


def test_a_completed_job_moves_to_history_with_its_result(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    assert settle_one(sql, held, Completed({"rows": 3})).done == {(held.id, 1)}
    assert state_of(sql, held.id) == ("completed", "complete")
    columns = "result, error, attempt, failures, run_seconds, finished_at >= claimed_at, servant_id"
    assert history_of(sql, held.id, columns) == ({"rows": 3}, None, 1, 0, 0.25, True, held.servant_id)
    assert events_of(sql, held.id) == []
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_history_keeps_what_the_job_carried(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql, lane="account:9")
    sql.execute(
        "UPDATE jobs SET account_id = 9, payload = '{\"a\": 1}', checkpoint = '{\"c\": 2}', progress_done = 3,"
        " progress_total = 4, request_id = 'r', unique_key = 'u', retry_of = 5, schedule_id = 6, fire_at = now()"
    )
    carried = (
        "type, account_id, lane, priority, payload, checkpoint, progress_done, progress_total, request_id, unique_key,"
        " retry_of, schedule_id, fire_at, created_at, run_at, queued_at, claimed_at, servant_id, attempt"
    )
    before = row_of(sql, held.id, carried)
    settle_one(sql, held)
    assert history_of(sql, held.id, carried) == before


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Fail("it is gone", "Gone"), "permanent"), (Retry(None, "it is gone", "Gone"), "exhausted")],
)
def test_a_failed_job_keeps_its_error_and_leaves_an_event(
    sql: psycopg.Connection, outcome: Outcome, reason: str
) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, outcome, retry=Exponential(attempts=1))
    assert state_of(sql, held.id) == ("failed", reason)
    assert history_of(sql, held.id, "error, failures") == (kept_error("Gone", "it is gone"), 1)
    assert events_of(sql, held.id) == [f"running → failed ({reason})"]


def test_a_retry_waits_for_its_backoff_and_counts_the_failure(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Retry(None, "busy", "TransientError"))
    assert row_of(sql, held.id, "state, reason, failures, attempt, servant_id, lease_until") == (
        "pending",
        "retry",
        1,
        1,
        None,
        None,
    )
    # The first wait of LONGEST_WAIT is its base.
    assert row_of(sql, held.id, "run_at - now() BETWEEN interval '8 s' AND interval '10 s'") == (True,)
    assert row_of(sql, held.id, "error") == (kept_error("TransientError", "busy"),)
    assert events_of(sql, held.id) == ["running → pending (retry)"]
    assert_consistent(sql)


def test_a_handler_may_name_the_wait_itself(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Retry(timedelta(hours=2)))
    assert row_of(sql, held.id, "run_at - now() BETWEEN interval '119 min' AND interval '2 h'") == (True,)


def test_attempts_are_spent_one_after_the_other(sql: psycopg.Connection) -> None:
    (job_id,) = add_jobs(sql)
    seen = []
    for _ in range(3):
        queue_jobs(sql, [job_id])
        (held,) = claim_jobs(sql, [job_id], servant_id=1)
        settle_one(sql, held, Retry())
        seen.append(state_of(sql, job_id))
    assert seen == [("pending", "retry"), ("pending", "retry"), ("failed", "exhausted")]
    assert history_of(sql, job_id, "attempt, failures") == (3, 3)


def test_a_snooze_waits_until_its_moment_and_spends_nothing(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Snooze(TOMORROW, "limit reached"))
    assert row_of(sql, held.id, "state, reason, failures, run_at") == ("pending", "snooze", 0, TOMORROW)
    assert row_of(sql, held.id, "error") == (kept_error("Snooze", "limit reached"),)


@pytest.mark.parametrize(
    "outcome",
    [
        Retry(timedelta(days=365 * 10_000)),
        Retry(timedelta(days=-365 * 6_000)),
        Snooze(datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))),
    ],
)
def test_a_wait_of_ages_ends_in_a_year_that_can_be_read(sql: psycopg.Connection, outcome: Outcome) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, outcome)
    (run_at,) = row_of(sql, held.id, "run_at")
    assert isinstance(run_at, datetime)
    assert datetime.now(UTC) - timedelta(minutes=1) < run_at <= datetime(9000, 1, 1, tzinfo=UTC)


def test_a_snooze_until_the_past_is_due_now(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Snooze(datetime(2001, 1, 1, tzinfo=UTC)))
    assert row_of(sql, held.id, "run_at > now() - interval '1 min'") == (True,)


def test_parking_keeps_the_jobs_place_and_pauses_its_lane(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    (run_at,) = row_of(sql, held.id, "run_at")
    settle_one(sql, held, Park("the token was revoked", "CredentialError"))
    assert row_of(sql, held.id, "state, reason, failures, run_at") == ("pending", "snooze", 0, run_at)
    assert holds(sql) == [("account:1", "incident", "the token was revoked")]


def test_parking_a_paused_lane_leaves_the_first_reason(sql: psycopg.Connection) -> None:
    first, second = run_jobs(sql, 2)
    settle_one(sql, first, Park("first"))
    settle_one(sql, second, Park("second"))
    assert holds(sql) == [("account:1", "incident", "first")]


def test_two_jobs_of_one_lane_park_it_in_one_batch(sql: psycopg.Connection) -> None:
    held = run_jobs(sql, 2)
    done = settle_all(sql, [job.settlement(Park(f"reason {job.id}")) for job in held])
    assert len(done) == 2
    assert sql.execute("SELECT count(*) FROM lanes").fetchone() == (1,)


def test_releasing_keeps_the_jobs_place_and_spends_nothing(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    (run_at,) = row_of(sql, held.id, "run_at")
    settle_all(sql, [release(held)])
    assert row_of(sql, held.id, "state, reason, failures, run_at, error") == ("pending", "release", 0, run_at, None)
    assert events_of(sql, held.id) == ["running → pending (release)"]


def test_a_handler_that_stopped_is_cancelled(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Cancelled("stopped when asked"))
    assert state_of(sql, held.id) == ("cancelled", "cancel")
    assert events_of(sql, held.id) == ["running → cancelled (cancel)"]


def test_an_overrun_fails(sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_all(sql, [overrun(held.id, held.attempt, "it did not stop")])
    assert state_of(sql, held.id) == ("failed", "overrun")


@pytest.mark.parametrize(
    "outcome",
    [Retry(None, "why"), Snooze(TOMORROW, "why"), Park("why"), None],
    ids=["retry", "snooze", "park", "release"],
)
def test_a_job_asked_to_stop_is_cancelled_rather_than_put_back(
    sql: psycopg.Connection, outcome: Outcome | None
) -> None:
    add_type(sql)
    (held,) = run_jobs(sql)
    request_cancel(sql, held)
    settlement = release(held) if outcome is None else held.settlement(outcome)
    assert settle_all(sql, [settlement]) == {(held.id, 1)}
    assert state_of(sql, held.id) == ("cancelled", "cancel")
    assert history_of(sql, held.id, "cancel_requested_at IS NOT NULL") == (True,)
    assert holds(sql) == []
    assert_consistent(sql)


@pytest.mark.parametrize("outcome", [Completed(), Fail("broken")])
def test_a_job_that_ends_before_it_hears_of_its_cancellation_stands(sql: psycopg.Connection, outcome: Outcome) -> None:
    (held,) = run_jobs(sql)
    request_cancel(sql, held)
    settle_one(sql, held, outcome)
    assert state_of(sql, held.id)[0] in {"completed", "failed"}


def test_a_cancellation_asked_for_while_the_job_is_being_put_back_finds_it_waiting(
    sql: psycopg.Connection, database_url: str
) -> None:
    """The request waits for the settle and then touches nothing; whoever asks looks again and cancels at once."""
    (held,) = run_jobs(sql)
    with psycopg.connect(database_url) as settling, psycopg.connect(database_url, autocommit=True) as asking:
        settle_jobs(settling, [(held.settlement(Retry()), None)], shard=0)
        with in_background(lambda: asking.execute(statement("request_cancel"), {"ids": [held.id]})) as asked:
            wait_until_blocked(sql, by=settling)
            settling.commit()
        assert asked.result().fetchall() == []
    assert sql.execute(statement("cancel_waiting_jobs"), {"ids": [held.id]}).fetchall() == [(held.id,)]
    assert state_of(sql, held.id) == ("cancelled", "cancel")
    assert_consistent(sql)


def test_a_retry_that_meets_a_cancellation_under_way_waits_and_cancels(
    sql: psycopg.Connection, database_url: str
) -> None:
    (held,) = run_jobs(sql)
    with psycopg.connect(database_url) as asking, psycopg.connect(database_url, autocommit=True) as settling:
        request_cancel(asking, held)
        with in_background(lambda: settle_one(settling, held, Retry())) as settled:
            wait_until_blocked(sql, by=asking)
            asking.commit()
        assert settled.result().done == {(held.id, 1)}
    assert state_of(sql, held.id) == ("cancelled", "cancel")


def test_cancelling_waiting_jobs_moves_them_to_history(sql: psycopg.Connection) -> None:
    waiting, sent = add_jobs(sql), add_jobs(sql)
    (held,) = run_jobs(sql)
    queue_jobs(sql, sent)
    gone = sql.execute(statement("cancel_waiting_jobs"), {"ids": [*waiting, *sent, held.id, 999]}).fetchall()
    assert sorted(row[0] for row in gone) == [*waiting, *sent]
    assert states(sql) == {"cancelled": 2, "running": 1}
    assert events_of(sql, waiting[0]) == ["pending → cancelled (cancel)"]
    assert events_of(sql, sent[0]) == ["queued → cancelled (cancel)"]
    assert claim_jobs(sql, sent, servant_id=1) == []
    assert_consistent(sql)


def test_a_stale_attempt_changes_nothing(sql: psycopg.Connection) -> None:
    (old,) = run_jobs(sql, servant_id=1)
    sql.execute("UPDATE jobs SET state = 'pending', reason = 'rescue', lease_until = NULL, servant_id = NULL")
    sql.execute("INSERT INTO lane_wakes (type, lane, pending) SELECT type, lane, 1 FROM jobs")
    late: list[Outcome] = [
        Completed({"late": True}),
        Fail("late"),
        Retry(None, "late"),
        Snooze(TOMORROW),
        Park("late"),
        Cancelled(),
    ]
    for outcome in late:
        assert settle_one(sql, old, outcome).done == frozenset()
    queue_jobs(sql, [old.id])
    (new,) = claim_jobs(sql, [old.id], servant_id=2)
    before = sql.execute("SELECT * FROM jobs").fetchall()
    for outcome in late:
        assert settle_one(sql, old, outcome).done == frozenset()
    assert sql.execute(statement("heartbeat"), heartbeat_params([old])).fetchall() == []
    assert sql.execute("SELECT * FROM jobs").fetchall() == before
    assert holds(sql) == []
    assert settle_one(sql, new).done == {(new.id, 2)}
    assert settle_one(sql, new).done == frozenset()
    assert_consistent(sql)


def test_one_batch_holds_every_kind_of_outcome_and_stale_ones(sql: psycopg.Connection) -> None:
    add_type(sql)
    jobs = run_jobs(sql, 7)
    outcomes: list[Outcome] = [Completed(), Fail("x"), Retry(), Snooze(TOMORROW), Cancelled(), Completed(), Retry()]
    request_cancel(sql, jobs[6])
    settlements = [held.settlement(outcome) for held, outcome in zip(jobs, outcomes, strict=True)]
    settlements[5] = settlements[5]._replace(attempt=9)
    done = settle_all(sql, settlements[::-1])
    assert done == {(held.id, 1) for held in jobs if held is not jobs[5]}
    assert states(sql) == {"completed": 1, "failed": 1, "pending": 2, "cancelled": 2, "running": 1}
    assert_consistent(sql)


def test_two_settles_of_one_attempt_write_it_once(sql: psycopg.Connection, database_url: str) -> None:
    (held,) = run_jobs(sql)
    with psycopg.connect(database_url) as first, psycopg.connect(database_url, autocommit=True) as second:
        settle_jobs(first, [(held.settlement(Completed({"by": 1})), None)], shard=0)
        with in_background(lambda: settle_one(second, held, Completed({"by": 2}))) as loser:
            wait_until_blocked(sql, by=first)
            first.commit()
        assert loser.result().done == frozenset()
    assert history_of(sql, held.id, "result") == ({"by": 1},)
    assert_consistent(sql)


def test_settles_of_many_servants_at_once_add_up(sql: psycopg.Connection, database_url: str) -> None:
    """All in one shard, states crossed: rows of the rollup are taken in one order, so nobody deadlocks."""
    batches = [run_jobs(sql, 30, servant_id=16 * n) for n in range(1, 5)]
    connections = [psycopg.connect(database_url, autocommit=True) for _ in batches]

    def settler(n: int) -> int:
        outcomes: list[Outcome] = [Completed(), Fail("x")]
        settlements = [held.settlement(outcomes[(held.id + n) % 2]) for held in batches[n]]
        return sum(len(settle_all(connections[n], settlements[i : i + 5])) for i in range(0, 30, 5))

    assert together([lambda: settler(0), lambda: settler(1), lambda: settler(2), lambda: settler(3)]) == [30] * 4
    for connection in connections:
        connection.close()
    assert states(sql) == {"completed": 60, "failed": 60}
    assert_rollups_count_history(sql)


def test_the_rollups_add_up_times(sql: psycopg.Connection) -> None:
    jobs = run_jobs(sql, 3)
    sql.execute("UPDATE jobs SET run_at = claimed_at - interval '2 seconds'")
    settle_all(sql, [held.settlement(Completed()) for held in jobs], shard=3)
    rows = sql.execute("SELECT type, state, shard, jobs, run_seconds, wait_seconds FROM job_rollups").fetchall()
    assert rows == [(ECHO, "completed", 3, 3, 1.5, pytest.approx(6.0))]


def test_an_outcome_that_cannot_be_stored_fails_its_batch_and_then_only_its_job(sql: psycopg.Connection) -> None:
    """A time beyond PostgreSQL's: the batch is refused as a whole, and what is written instead always fits."""
    good, bad = run_jobs(sql, 2)
    endless = bad.settlement(Retry(timedelta.max, "wait for ever"))
    with pytest.raises(DataError):
        settle_all(sql, [good.settlement(Completed()), endless])
    assert states(sql) == {"running": 2}
    settle_all(sql, [good.settlement(Completed()), unwritable(endless, "the outcome cannot be stored: \ud800\0")])
    assert state_of(sql, bad.id) == ("failed", "permanent")
    assert history_of(sql, bad.id, "error->>'message'") == ("the outcome cannot be stored: ?�",)


@pytest.mark.parametrize(
    "text", ["NUL \0 inside", "half \ud800 a character", "é 日本 \U0001f600", "\\u0000", 'q"uo\\te']
)
def test_any_text_can_be_an_error(sql: psycopg.Connection, text: str) -> None:
    for outcome in (Fail(text, text), Retry(None, text, text), Snooze(TOMORROW, text), Park(text, text)):
        (held,) = run_jobs(sql)
        assert settle_one(sql, held, outcome).done == {(held.id, 1)}
    for result in ({"key": text}, {text: 1}):
        (held,) = run_jobs(sql)
        assert settle_one(sql, held, Completed(result)).done == {(held.id, 1)}
        storable = "\0" not in text and "\ud800" not in text
        assert state_of(sql, held.id)[0] == ("completed" if storable else "failed")
        if storable:
            assert history_of(sql, held.id, "result") == (result,)


def test_settling_wakes_a_lane_that_has_a_limit_and_leaves_others_alone(sql: psycopg.Connection) -> None:
    add_type(sql, lane_limit=None)
    free, limited = run_jobs(sql, 2)
    sql.execute("DELETE FROM lane_wakes")
    assert not settle_one(sql, free).lanes_woken
    assert sql.execute("SELECT count(*) FROM lane_wakes").fetchone() == (0,)
    add_type(sql, lane_limit=1)
    assert settle_one(sql, limited).lanes_woken
    assert sql.execute("SELECT lane FROM lane_wakes").fetchall() == [("account:1",)]


def test_settling_nothing_is_nothing(sql: psycopg.Connection) -> None:
    assert settle_all(sql, []) == set()


def test_a_settlement_says_where_it_leads() -> None:
    settlement = unwritable(Settlement(job_id=1, attempt=1, state=JobState.PENDING, reason=Reason.RETRY), "why")
    assert (settlement.state, settlement.reason) == (JobState.FAILED, Reason.PERMANENT)
