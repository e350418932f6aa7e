from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.holds import hold_lanes
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.statements import statement
from infra.postgres.why import COUNT_CAP, Why, why
from infra.postgres.why_blocked import ReasonKind, WhyReason
from infra.words import moment
from retinue.errors import NotFound
from retinue.holds import Hold, HoldKind
from retinue.outcomes import Completed, Fail, Park, Retry, Snooze
from retinue.states import JobState
from tests.support.factories import (
    ECHO,
    Held,
    add_jobs,
    add_servant,
    claim_jobs,
    expire_leases,
    heartbeat_params,
    queue_jobs,
    run_jobs,
    settle_one,
)
from tests.support.lanes import pause

IN_AN_HOUR = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


def add_scheduler(sql: psycopg.Connection) -> int:
    row = sql.execute(statement("register_scheduler"), {"host": "here", "pid": 1, "version": "1"}).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def staffed(sql: psycopg.Connection) -> psycopg.Connection:
    """A database that a scheduler and a servant with 8 slots work on."""
    add_scheduler(sql)
    add_servant(sql)
    return sql


def kinds(answer: Why) -> list[ReasonKind]:
    return [reason.kind for reason in answer.reasons]


def only(answer: Why) -> WhyReason:
    assert len(answer.reasons) == 1, answer
    return answer.reasons[0]


def test_a_due_job_with_all_it_needs_starts_at_once(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed)

    answer = why(staffed, job)
    assert (answer.state, kinds(answer)) == (JobState.PENDING, [ReasonKind.DISPATCH])
    assert answer.expected_start is not None
    assert abs(answer.expected_start - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_job_for_later_says_when(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed, run_at=IN_AN_HOUR)

    answer = why(staffed, job)
    assert only(answer) == WhyReason(ReasonKind.SCHEDULED, f"Scheduled for {moment(IN_AN_HOUR)}.", IN_AN_HOUR)
    assert answer.expected_start == IN_AN_HOUR


def test_the_time_may_be_given(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed, run_at=IN_AN_HOUR)

    later = why(staffed, job, now=IN_AN_HOUR, alive_seconds=7200)
    assert kinds(later) == [ReasonKind.DISPATCH]
    assert later.expected_start == IN_AN_HOUR


def test_a_job_that_waits_for_its_retry_says_which_and_after_what(staffed: psycopg.Connection) -> None:
    (held,) = run_jobs(staffed)
    settle_one(staffed, held, Retry(after=timedelta(minutes=5), message="it failed.", kind="ServerFailed"))

    reason = only(why(staffed, held.id))
    assert reason.kind is ReasonKind.RETRY
    assert "for try 2 of 5, because the last one failed: ServerFailed: it failed." in reason.sentence
    assert reason.until is not None
    assert moment(reason.until) in reason.sentence


def test_a_snoozed_job_says_until_when(staffed: psycopg.Connection) -> None:
    (held,) = run_jobs(staffed)
    settle_one(staffed, held, Snooze(IN_AN_HOUR, "no calls left"))

    reason = only(why(staffed, held.id))
    assert (reason.kind, reason.until) == (ReasonKind.SNOOZED, IN_AN_HOUR)
    assert "no attempt was spent: Snooze: no calls left" in reason.sentence


def test_a_job_rescued_again_and_again_waits_a_little(staffed: psycopg.Connection) -> None:
    (held,) = run_jobs(staffed)
    staffed.execute("UPDATE jobs SET deaths = 1")
    expire_leases(staffed, [held.id])
    staffed.execute(statement("rescue_expired_jobs"), {"poison_deaths": 3, "backoff_seconds": 60, "limit": 10})

    reason = only(why(staffed, held.id))
    assert reason.kind is ReasonKind.RESCUED
    assert "stopped renewing its lease" in reason.sentence


def test_a_paused_type(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed)
    staffed.execute("UPDATE job_types SET paused_at = now()")

    answer = why(staffed, job)
    assert ReasonKind.TYPE_PAUSED in kinds(answer)
    assert answer.expected_start is None


def test_a_parked_lane_says_why_and_what_mends_it(staffed: psycopg.Connection) -> None:
    (held,) = run_jobs(staffed, lane="connection_id:12")
    settle_one(staffed, held, Park("The sign-in was refused."))

    answer = why(staffed, held.id)
    parked = next(reason for reason in answer.reasons if reason.kind is ReasonKind.INCIDENT)
    assert ": The sign-in was refused. " in parked.sentence
    assert "`retinue connections test 12`" in parked.sentence
    assert "`retinue connections password 12`" in parked.sentence
    assert answer.expected_start is None


def test_a_full_lane_names_the_jobs_that_hold_it(sql: psycopg.Connection) -> None:
    add_scheduler(sql)
    add_servant(sql, lane_limit=2)
    holders = [held.id for held in run_jobs(sql, 2)]
    (job,) = add_jobs(sql)

    answer = why(sql, job)
    full = next(reason for reason in answer.reasons if reason.kind is ReasonKind.LANE_LIMIT)
    assert full.jobs == holders
    assert full.sentence == f"The lane account:1 may run 2 jobs at a time; held by {holders[0]}, {holders[1]}."


def test_a_lane_with_a_place_left_is_not_full(sql: psycopg.Connection) -> None:
    add_scheduler(sql)
    add_servant(sql, lane_limit=2)
    run_jobs(sql, 1)
    (job,) = add_jobs(sql)

    assert ReasonKind.LANE_LIMIT not in kinds(why(sql, job))


def test_a_lane_s_own_limit_comes_before_its_type_s(sql: psycopg.Connection) -> None:
    add_scheduler(sql)
    add_servant(sql, slots=50, lane_limit=1)
    sql.execute("INSERT INTO lanes (type, lane, concurrency_limit) VALUES (%s, 'account:1', 30)", (ECHO,))
    holders = [held.id for held in run_jobs(sql, 29)]
    (job,) = add_jobs(sql)
    assert ReasonKind.LANE_LIMIT not in kinds(why(sql, job))

    holders += [held.id for held in run_jobs(sql, 1)]
    full = next(reason for reason in why(sql, job).reasons if reason.kind is ReasonKind.LANE_LIMIT)
    assert full.jobs == holders
    assert "and others" in full.sentence


def test_nobody_is_there(sql: psycopg.Connection) -> None:
    (job,) = add_jobs(sql)

    answer = why(sql, job)
    assert kinds(answer)[:2] == [ReasonKind.NO_SCHEDULER, ReasonKind.NO_SERVANT]
    assert answer.expected_start is None
    assert "`retinue servant system.echo`" in answer.reasons[1].sentence
    assert "nor ever was" in answer.reasons[1].sentence


@pytest.mark.parametrize("state", ["draining", "stopped", "lost"])
def test_a_servant_that_takes_no_work_does_not_count(staffed: psycopg.Connection, state: str) -> None:
    (job,) = add_jobs(staffed)
    staffed.execute("UPDATE servants SET state = %s", (state,))

    assert ReasonKind.NO_SERVANT in kinds(why(staffed, job))


def test_processes_that_fell_silent_do_not_count(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed)
    staffed.execute("UPDATE servants SET heartbeat_at = now() - interval '31 seconds'")
    staffed.execute("UPDATE schedulers SET heartbeat_at = now() - interval '31 seconds'")

    assert {ReasonKind.NO_SERVANT, ReasonKind.NO_SCHEDULER} <= set(kinds(why(staffed, job)))
    assert ReasonKind.NO_SERVANT not in kinds(why(staffed, job, alive_seconds=60))


def test_a_scheduler_that_stopped_does_not_count(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed)
    staffed.execute("UPDATE schedulers SET stopped_at = now()")

    assert ReasonKind.NO_SCHEDULER in kinds(why(staffed, job))


def test_busy_servants_and_the_jobs_before_it(sql: psycopg.Connection) -> None:
    add_scheduler(sql)
    add_servant(sql, slots=2, rate=4.0)
    run_jobs(sql, 2, lane="account:2")
    add_jobs(sql, 6)
    (job,) = add_jobs(sql)

    answer = why(sql, job)
    assert only(answer).sentence == "All 2 slots of type system.echo are taken; in its lane 6 due jobs go before it."
    assert answer.expected_start is not None
    # 6 before it and 2 at work, 4 a second.
    assert abs(answer.expected_start - datetime.now(UTC) - timedelta(seconds=2)) < timedelta(seconds=1.5)


def test_its_turn_in_the_lane_follows_priority_then_time(staffed: psycopg.Connection) -> None:
    add_jobs(staffed, 2, priority=1)
    add_jobs(staffed, 1, priority=5)
    add_jobs(staffed, 4, priority=1, run_at=IN_AN_HOUR)
    add_jobs(staffed, 4, lane="account:2")
    (job,) = add_jobs(staffed, priority=5)
    add_jobs(staffed, 3, priority=9)
    add_jobs(staffed, 3, priority=5)

    assert only(why(staffed, job)).sentence == "It is due; in its lane 3 due jobs go before it."


def test_the_count_of_jobs_before_it_is_capped(staffed: psycopg.Connection) -> None:
    add_jobs(staffed, COUNT_CAP + 200)
    (job,) = add_jobs(staffed)

    answer = why(staffed, job)
    assert only(answer).sentence == "It is due; in its lane at least 1000 due jobs go before it."
    assert answer.expected_start is None


def test_a_queued_job_says_since_when(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed)
    queue_jobs(staffed, [job])
    staffed.execute("UPDATE jobs SET queued_at = now() - interval '12 seconds'")

    assert only(why(staffed, job)).sentence.startswith("On the queue for 12 s, since ")


def test_a_queued_job_without_a_servant(sql: psycopg.Connection) -> None:
    (job,) = add_jobs(sql)
    queue_jobs(sql, [job])

    assert kinds(why(sql, job)) == [ReasonKind.QUEUED, ReasonKind.NO_SERVANT]


def running_job(sql: psycopg.Connection) -> Held:
    (job,) = add_jobs(sql)
    queue_jobs(sql, [job])
    row = sql.execute("SELECT id FROM servants").fetchone()
    assert row is not None
    return claim_jobs(sql, [job], servant_id=row[0])[0]


def test_a_running_job_says_where_and_how_far(staffed: psycopg.Connection) -> None:
    held = running_job(staffed)
    staffed.execute(statement("heartbeat"), heartbeat_params([held], dones=[30], totals=[120]))

    answer = why(staffed, held.id)
    assert only(answer).kind is ReasonKind.RUNNING
    assert f"Servant {held.servant_id} (pid 1 on here) has run attempt 1 for " in only(answer).sentence
    assert only(answer).sentence.endswith("; 30 of 120 done.")
    assert answer.expected_start is None


def test_a_running_job_says_how_the_attempt_before_ended(staffed: psycopg.Connection) -> None:
    held = running_job(staffed)
    settle_one(staffed, held, Retry(after=timedelta(0), message="it failed.", kind="ServerFailed"))
    queue_jobs(staffed, [held.id])
    claim_jobs(staffed, [held.id], servant_id=held.servant_id)

    sentence = only(why(staffed, held.id)).sentence
    assert "has run attempt 2 for " in sentence
    assert sentence.endswith(" One before it ended with ServerFailed: it failed.")


def test_a_running_job_that_was_asked_to_stop(staffed: psycopg.Connection) -> None:
    held = running_job(staffed)
    cancel_jobs(staffed, [held.id])

    assert kinds(why(staffed, held.id)) == [ReasonKind.RUNNING, ReasonKind.CANCEL_REQUESTED]


def test_a_running_job_whose_lease_ran_out(staffed: psycopg.Connection) -> None:
    held = running_job(staffed)
    expire_leases(staffed, [held.id])

    assert kinds(why(staffed, held.id)) == [ReasonKind.RUNNING, ReasonKind.RESCUED]


def complete(sql: psycopg.Connection, held: Held) -> None:
    settle_one(sql, held, Completed())


def fail(sql: psycopg.Connection, held: Held) -> None:
    settle_one(sql, held, Fail("at http://me:hunter2@server/.", kind="PermanentError"))


def cancel(sql: psycopg.Connection, held: Held) -> None:
    cancel_jobs(sql, [held.id])
    settle_one(sql, held, Retry(message="stopped"))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (complete, r"^Completed at .* UTC after running for 0\.2 s\.$"),
        (fail, r"^Failed, because trying again cannot help, at .*: PermanentError: at http://me:\*\*\*@server/\.$"),
        (cancel, r"^Cancelled at .*: Retry: stopped\.$"),
    ],
)
def test_a_finished_job_says_how_it_ended(
    staffed: psycopg.Connection, end: Callable[[psycopg.Connection, Held], None], words: str
) -> None:
    (held,) = run_jobs(staffed)
    end(staffed, held)

    reason = only(why(staffed, held.id))
    assert reason.kind is ReasonKind.FINISHED
    assert re.search(words, reason.sentence), reason.sentence


def test_there_is_no_such_job(sql: psycopg.Connection) -> None:
    with pytest.raises(NotFound, match="There is no job 4711"):
        why(sql, 4711)


def test_a_paused_lane_says_who_and_why(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed)
    pause(staffed)
    answer = why(staffed, job)
    (paused,) = [reason for reason in answer.reasons if reason.kind is ReasonKind.LANE_PAUSED]
    assert paused.sentence.endswith(": by hand.")
    assert answer.expected_start is None


def test_a_hold_with_an_end_gives_the_expected_start(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed)
    end = datetime.now(UTC) + timedelta(hours=3)
    budget = Hold(HoldKind.BUDGET, "connection:3", end, "1,000 calls a day are used up")
    hold_lanes(staffed, [((ECHO, "account:1"), budget)])
    answer = why(staffed, job)
    (held,) = [reason for reason in answer.reasons if reason.kind is ReasonKind.BUDGET]
    assert "has used up its budget of calls" in held.sentence
    assert (held.until, answer.expected_start) == (end, end)


def test_every_kind_of_hold_has_its_words(staffed: psycopg.Connection) -> None:
    (job,) = add_jobs(staffed)
    hold_lanes(staffed, [((ECHO, "account:1"), Hold(kind, "", None, f"the {kind}")) for kind in HoldKind])
    sentences = [reason.sentence for reason in why(staffed, job).reasons]
    assert all(any(f": the {kind}." in sentence for sentence in sentences) for kind in HoldKind)


def test_strict_order_names_the_job_that_goes_first(sql: psycopg.Connection) -> None:
    add_scheduler(sql)
    add_servant(sql, lane_limit=1, order_policy="skip")
    head, later = add_jobs(sql, 2, ordered=True)
    (behind,) = [reason for reason in why(sql, later).reasons if reason.kind is ReasonKind.ORDER]
    assert behind.jobs == [head]
    assert f"job {head} of the lane goes first; it is pending" in behind.sentence
    assert ReasonKind.ORDER not in {reason.kind for reason in why(sql, head).reasons}


def test_a_full_type_says_so(sql: psycopg.Connection) -> None:
    add_scheduler(sql)
    add_servant(sql, type_limit=1)
    run_jobs(sql, lane="account:2")
    (job,) = add_jobs(sql)
    (full,) = [reason for reason in why(sql, job).reasons if reason.kind is ReasonKind.TYPE_LIMIT]
    assert full.sentence == "The type system.echo may run 1 at a time, and 1 are under way."
