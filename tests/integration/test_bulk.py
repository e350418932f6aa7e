"""Bulk operations against the database: what a filter takes, what is counted, and what is then done."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from infra.postgres import bulk
from infra.postgres.bulk_acts import act
from infra.postgres.bulk_pages import START, next_page
from infra.postgres.enqueue import NewJob, enqueue_many
from infra.postgres.holds import hold_lanes, list_holds
from infra.postgres.job_actions import cancel_jobs, retry_jobs
from retinue.bulk import Bulk
from retinue.errors import InvalidPayload
from retinue.holds import Hold, HoldKind
from retinue.order import order_scope
from retinue.payload import validate_payload
from retinue.servant import load_servant
from tests.support.assertions import assert_consistent, events_of, history_of, row_of, state_of
from tests.support.bulk import bounded, carry_out, fail_jobs, order, taken
from tests.support.factories import ECHO, add_account, add_jobs, queue_jobs, run_jobs

IN_AN_HOUR = datetime.now(UTC) + timedelta(hours=1)
TOMORROW = datetime.now(UTC) + timedelta(days=1)
SLEEP = "system.sleep"


def test_each_filter_takes_its_own_jobs(sql: psycopg.Connection) -> None:
    (one,) = add_jobs(sql, lane="account:1", account_id=1)
    (two,) = add_jobs(sql, lane="account:2", account_id=2)
    (other,) = add_jobs(sql, job_type=SLEEP, lane="account:1", account_id=1)
    queue_jobs(sql, [two])
    sql.execute("UPDATE jobs SET created_at = now() - interval '2 hours' WHERE id = %s", (other,))
    sql.execute(
        """UPDATE jobs SET reason = 'retry', error = '{"kind": "Odd", "fingerprint": "0123abcd"}' WHERE id = %s""",
        (one,),
    )
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    wanted: list[tuple[dict[str, Any], list[int]]] = [
        ({"everything": True}, [one, two, other]),
        ({"type": ECHO}, [one, two]),
        ({"type": ECHO, "lane": "account:2"}, [two]),
        ({"lane": "account:1"}, [one, other]),
        ({"account_id": 1}, [one, other]),
        ({"type": ECHO, "account_id": 1}, [one]),
        ({"type": ECHO, "states": ["queued"]}, [two]),
        ({"account_id": 1, "reason": "retry"}, [one]),
        ({"error_kind": "Odd"}, [one]),
        ({"error_text": "oDD"}, [one]),
        ({"type": ECHO, "error_text": "odd"}, [one]),
        ({"type": ECHO, "fingerprint": "0123abcd"}, [one]),
        ({"fingerprint": "0123abce"}, []),
        ({"since": an_hour_ago}, [one, two]),
        ({"until": an_hour_ago}, [other]),
    ]
    found = [(asked, taken(sql, bounded(sql, "cancel", **asked))) for asked, _ in wanted]
    assert found == wanted


def test_each_filter_takes_its_own_failures(sql: psycopg.Connection) -> None:
    (one,) = fail_jobs(sql, account_id=1, lane="account:1", message="late by 5 s")
    (two,) = fail_jobs(sql, account_id=2, lane="account:2")
    (other,) = fail_jobs(sql, job_type=SLEEP)
    gone = add_jobs(sql)
    cancel_jobs(sql, gone)
    error, ended = history_of(sql, one, "error, finished_at")
    wanted: list[tuple[dict[str, Any], list[int]]] = [
        ({"everything": True}, [one, two, other]),
        ({"type": ECHO}, [one, two]),
        ({"account_id": 2}, [two]),
        ({"lane": "account:1"}, [one, other]),
        ({"fingerprint": error["fingerprint"]}, [one]),
        ({"error_text": "nouse: LATE"}, [one]),
        ({"error_text": "late%"}, []),
        ({"error_kind": "NoUse", "reason": "permanent"}, [one, two, other]),
        ({"type": ECHO, "states": ["failed", "cancelled"]}, [one, two, *gone]),
        ({"until": ended}, []),
        ({"since": ended, "account_id": 1}, [one]),
        ({"since": ended + timedelta(microseconds=1), "account_id": 1}, []),
    ]
    found = [(asked, taken(sql, bounded(sql, "retry", **asked))) for asked, _ in wanted]
    assert found == wanted


@pytest.mark.parametrize(("limit", "window"), [(1, 1), (3, 10), (7, 4), (500, 10_000)])
def test_pages_of_any_size_take_each_job_once(sql: psycopg.Connection, limit: int, window: int) -> None:
    mine: list[int] = []
    ended: list[int] = []
    for _ in range(6):
        add_jobs(sql, 3, job_type=SLEEP)
        mine += add_jobs(sql, 3)
        ended += fail_jobs(sql, 4)
        fail_jobs(sql, 2, job_type=SLEEP)

    for asked in ({"type": ECHO}, {"type": ECHO, "lane": "account:1"}):
        assert taken(sql, bounded(sql, "cancel", **asked), limit=limit, window=window) == mine
        assert taken(sql, bounded(sql, "retry", **asked), limit=limit, window=window) == ended


def test_what_comes_after_the_boundary_is_not_taken(sql: psycopg.Connection) -> None:
    before, ended_before = add_jobs(sql, 2), fail_jobs(sql, 2)
    cancel, retry = bounded(sql, "cancel", type=ECHO), bounded(sql, "retry", type=ECHO)

    add_jobs(sql, 2)
    fail_jobs(sql, 2)

    assert taken(sql, cancel) == before
    assert taken(sql, retry) == ended_before


def test_a_preview_counts_and_changes_nothing(sql: psycopg.Connection) -> None:
    accounts = [add_account(sql, f"Kestrel {n}") for n in range(12)]
    ids = [add_jobs(sql, 2, account_id=account)[0] for account in accounts]
    (asked,) = run_jobs(sql)
    cancel_jobs(sql, [asked.id])

    found = bulk.preview(sql, order("cancel", type=ECHO, rate=2))

    assert (found.jobs, found.left_alone, found.stopped_by) == (24, {"asked_already": 1}, None)
    assert (found.expected, found.seconds) == (25, 12)
    assert (found.accounts, found.account_names) == (12, [f"Kestrel {n}" for n in range(10)])
    assert [job.id for job in found.sample] == [ids[n // 2] + n % 2 for n in range(10)]
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (25,)


def test_a_preview_says_where_it_stopped_counting(sql: psycopg.Connection) -> None:
    add_jobs(sql, 30)

    by_count = bulk.preview(sql, order("cancel", type=ECHO), most=20)
    by_time = bulk.preview(sql, order("cancel", lane="account:1"), search_seconds=-1)

    assert (by_count.jobs, by_count.stopped_by, by_count.expected) == (20, "count", None)
    # One page is always looked at; this one was the last.
    assert (by_time.jobs, by_time.stopped_by) == (30, None)


def test_a_search_that_takes_long_is_given_up(sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_PAGE", 10)
    add_jobs(sql, 30)

    found = bulk.preview(sql, order("cancel", lane="account:1"), search_seconds=-1)

    assert (found.jobs, found.stopped_by, found.expected) == (10, "time", None)


def test_what_is_previewed_is_done_when_cancelling(sql: psycopg.Connection) -> None:
    waiting = add_jobs(sql, 5)
    (queued,) = add_jobs(sql)
    queue_jobs(sql, [queued])
    running, asked = run_jobs(sql, 2)
    cancel_jobs(sql, [asked.id])
    others = add_jobs(sql, 2, job_type=SLEEP)
    given = bounded(sql, "cancel", type=ECHO)
    found = bulk.preview(sql, given)

    tally = carry_out(sql, given, limit=2)

    assert tally.done == {"cancelled": 6, "cancel_requested": 1}
    assert (tally.done.total(), tally.left_alone) == (found.jobs, found.left_alone)
    assert events_of(sql, waiting[0]) == ["pending → cancelled (cancel)"]
    assert events_of(sql, queued) == ["queued → cancelled (cancel)"]
    assert row_of(sql, running.id, "cancel_requested_at IS NOT NULL") == (True,)
    assert {state_of(sql, job) for job in others} == {("pending", "enqueue")}
    assert_consistent(sql)


def test_who_cancels_waiting_jobs_stops_none_that_run(sql: psycopg.Connection) -> None:
    (waiting,) = add_jobs(sql)
    (running,) = run_jobs(sql)

    tally = carry_out(sql, bounded(sql, "cancel", type=ECHO, states=["pending", "queued"]))

    assert (tally.done, tally.left_alone) == ({"cancelled": 1}, {})
    assert state_of(sql, waiting) == ("cancelled", "cancel")
    assert row_of(sql, running.id, "cancel_requested_at") == (None,)


@pytest.mark.parametrize("states", [["pending"], ["pending", "running"]])
def test_a_cancelled_head_lets_its_lane_s_order_go_on(sql: psycopg.Connection, states: list[str]) -> None:
    (head,) = add_jobs(sql)
    lane = (ECHO, "account:1")
    hold_lanes(sql, [(lane, Hold(HoldKind.ORDER, order_scope(head), None, "the head failed"))])

    carry_out(sql, bounded(sql, "cancel", type=ECHO, states=states))

    assert list_holds(sql, *lane) == []


def test_what_is_previewed_is_done_when_rescheduling(sql: psycopg.Connection) -> None:
    due, later = add_jobs(sql, 3), add_jobs(sql, 2, run_at=TOMORROW, lane="account:2")
    queued = add_jobs(sql, 2)
    queue_jobs(sql, queued)
    run_jobs(sql)
    sql.execute("DELETE FROM lane_wakes")
    given = bounded(sql, "reschedule", type=ECHO, run_at=IN_AN_HOUR)
    found = bulk.preview(sql, given)

    tally = carry_out(sql, given, limit=2)

    assert (tally.done, tally.left_alone) == ({"rescheduled": 5}, {"queued": 2, "running": 1})
    assert (found.jobs, found.left_alone) == (5, tally.left_alone)
    assert {row_of(sql, job, "run_at") for job in due + later} == {(IN_AN_HOUR,)}
    woken = sql.execute("SELECT DISTINCT lane, due_at FROM lane_wakes ORDER BY lane").fetchall()
    assert woken == [("account:1", IN_AN_HOUR), ("account:2", IN_AN_HOUR)]


def test_a_time_in_the_past_makes_jobs_due_now(sql: psycopg.Connection) -> None:
    (job,) = add_jobs(sql, run_at=TOMORROW)

    carry_out(sql, bounded(sql, "reschedule", type=ECHO, run_at=datetime(2020, 1, 1, tzinfo=UTC)))

    (age,) = row_of(sql, job, "now() - run_at")
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert_consistent(sql)


def test_what_is_previewed_is_done_when_retrying(sql: psycopg.Connection) -> None:
    plain = fail_jobs(sql, 3)
    retried, retry_ended = fail_jobs(sql, 2)
    retry_jobs(sql, [retried])
    retry_of_ended = retry_jobs(sql, [retry_ended])[0].new_job_id
    assert retry_of_ended is not None
    cancel_jobs(sql, [retry_of_ended])
    unfit, unknown, taken_key, *twins = fail_jobs(sql, 5)
    sql.execute('UPDATE job_history SET payload = \'{"seconds": "long"}\' WHERE id = %s', (unfit,))
    sql.execute("UPDATE job_history SET type = 'gone.away' WHERE id = %s", (unknown,))
    sql.execute("UPDATE job_history SET unique_key = 'taken' WHERE id = %s", (taken_key,))
    sql.execute("UPDATE job_history SET unique_key = 'twin' WHERE id = ANY(%s)", (twins,))
    enqueue_many(sql, [NewJob(type=ECHO, payload={}, unique_key="taken")])
    given = bounded(sql, "retry", everything=True)
    found = bulk.preview(sql, given)

    tally = carry_out(sql, given)

    assert tally.done == {"retried": 4}
    left = {"retried_already": 2, "payload_unfit": 1, "type_unknown": 1, "key_taken": 2}
    assert (found.jobs, found.left_alone, tally.left_alone) == (4, left, left)
    made = sql.execute("SELECT retry_of FROM jobs WHERE request_id = 'bulk:0' ORDER BY retry_of").fetchall()
    assert made == [(job,) for job in [*plain, twins[0]]]


def test_a_second_retry_of_the_same_jobs_makes_none(sql: psycopg.Connection) -> None:
    fail_jobs(sql, 3)
    carry_out(sql, bounded(sql, "retry", type=ECHO))

    tally = carry_out(sql, bounded(sql, "retry", type=ECHO))

    assert (tally.done, tally.left_alone) == ({}, {"retried_already": 3})


def test_a_job_that_is_refused_as_it_is_made_keeps_no_other_back(sql: psycopg.Connection) -> None:
    odd, plain = fail_jobs(sql, 2)
    sql.execute("UPDATE job_history SET unique_key = repeat('k', 600) WHERE id = %s", (odd,))

    tally = carry_out(sql, bounded(sql, "retry", type=ECHO))

    assert (tally.done, tally.left_alone) == ({"retried": 1}, {"payload_unfit": 1})
    assert sql.execute("SELECT retry_of FROM jobs").fetchall() == [(plain,)]


def test_what_changes_between_the_look_and_the_act_is_told(sql: psycopg.Connection) -> None:
    ids = add_jobs(sql, 3)
    given = bounded(sql, "reschedule", type=ECHO, run_at=IN_AN_HOUR)
    page = next_page(sql, given, START, limit=500)
    cancel_jobs(sql, ids[:2])

    tally = act(sql, given, page.jobs, request_id="bulk:0")

    assert (tally.done, tally.left_alone) == ({"rescheduled": 1}, {"changed_meanwhile": 2})


def test_starting_makes_one_job_with_its_boundary(sql: psycopg.Connection) -> None:
    (last,) = add_jobs(sql, account_id=7)

    job = bulk.start(sql, order("cancel", account_id=7, rate=5), expected=1)

    payload, account_id, lane = row_of(sql, job, "payload, account_id, lane")
    assert (account_id, lane) == (7, "account:7")
    assert (payload["up_to_id"], payload["expected"], payload["rate"]) == (last, 1, 5)
    assert job > last


def test_a_bulk_job_by_hand_is_checked_like_any_other(sql: psycopg.Connection) -> None:
    with pytest.raises(InvalidPayload, match="up_to_id: Field required"):
        enqueue_many(sql, [NewJob(type="system.bulk", payload={"operation": "cancel", "filter": {"type": ECHO}})])
    given = bounded(sql, "cancel", type=ECHO).model_dump(mode="json")
    model = load_servant("system.bulk").payload
    assert validate_payload("system.bulk", model, given) == Bulk.model_validate(given)
    with pytest.raises(InvalidPayload, match="give a filter besides the state"):
        validate_payload("system.bulk", model, given | {"filter": {}})


def test_an_empty_set_is_no_work(sql: psycopg.Connection) -> None:
    for operation in ("cancel", "retry"):
        tally = carry_out(sql, bounded(sql, operation, everything=True))
        assert (tally.done, tally.left_alone) == (Counter(), Counter())
