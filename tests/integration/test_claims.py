"""Claims: a compare-and-set on what was dispatched; duplicates, strangers and losers take nothing."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest

from infra.postgres.statements import statement
from retinue.job import JobFacts
from tests.support.assertions import row_of
from tests.support.factories import ECHO, add_jobs, claim_jobs, expire_leases, queue_jobs, run_jobs, settle_one
from tests.support.race import in_background, together, wait_until_blocked


def test_a_claim_takes_the_lease(sql: psycopg.Connection) -> None:
    (job_id,) = add_jobs(sql)
    queue_jobs(sql, [job_id])
    (held,) = claim_jobs(sql, [job_id], servant_id=7, lease_seconds=30)
    assert (held.id, held.attempt) == (job_id, 1)
    assert row_of(sql, job_id, "state, reason, attempt, servant_id") == ("running", "claim", 1, 7)
    assert row_of(sql, job_id, "lease_until - claimed_at = interval '30 seconds'") == (True,)


def test_a_claim_returns_what_the_handler_needs(sql: psycopg.Connection) -> None:
    (job_id,) = add_jobs(sql, account_id=3, lane="account:3")
    sql.execute("UPDATE jobs SET payload = '{\"a\": 1}', checkpoint = '[1]', request_id = 'r', failures = 2")
    queue_jobs(sql, [job_id])
    params = {"ids": [job_id], "type": ECHO, "servant_id": 1, "lease_seconds": 30}
    ((*facts, payload),) = sql.execute(statement("claim_jobs"), params).fetchall()
    found = JobFacts._make(facts)
    assert 0 <= found.waited_seconds < 60
    assert found._replace(waited_seconds=0) == JobFacts(
        id=job_id,
        type=ECHO,
        attempt=1,
        account_id=3,
        lane="account:3",
        failures=2,
        checkpoint=[1],
        request_id="r",
        fire_at=None,
    )
    assert payload == '{"a": 1}'


def test_each_claim_is_a_new_attempt(sql: psycopg.Connection) -> None:
    (job_id,) = add_jobs(sql)
    attempts = []
    for _ in range(3):
        queue_jobs(sql, [job_id])
        attempts += [held.attempt for held in claim_jobs(sql, [job_id], servant_id=1)]
        sql.execute("UPDATE jobs SET state = 'pending', reason = 'release', lease_until = NULL")
    assert attempts == [1, 2, 3]


def test_the_same_id_twice_is_one_claim(sql: psycopg.Connection) -> None:
    (job_id,) = add_jobs(sql)
    queue_jobs(sql, [job_id])
    assert len(claim_jobs(sql, [job_id, job_id], servant_id=1)) == 1
    assert claim_jobs(sql, [job_id], servant_id=2) == []
    assert row_of(sql, job_id, "servant_id, attempt") == (1, 1)


def test_ids_that_were_never_there_claim_nothing(sql: psycopg.Connection) -> None:
    assert claim_jobs(sql, [1, 2**63 - 1], servant_id=1) == []
    assert claim_jobs(sql, [], servant_id=1) == []


@pytest.mark.parametrize("state", ["pending", "running", "finished"])
def test_a_stale_message_claims_nothing(sql: psycopg.Connection, state: str) -> None:
    if state == "pending":
        (job_id,) = add_jobs(sql)
    else:
        (held,) = run_jobs(sql)
        job_id = held.id
        if state == "finished":
            settle_one(sql, held)
    assert claim_jobs(sql, [job_id], servant_id=2) == []


def test_an_expired_lease_is_not_for_the_taking(sql: psycopg.Connection) -> None:
    """Only rescue takes a job back, because only rescue counts the death."""
    (held,) = run_jobs(sql)
    expire_leases(sql, [held.id])
    assert claim_jobs(sql, [held.id], servant_id=2) == []


def test_another_types_message_claims_nothing(sql: psycopg.Connection) -> None:
    (job_id,) = add_jobs(sql, job_type="system.sleep")
    queue_jobs(sql, [job_id])
    assert claim_jobs(sql, [job_id], servant_id=1, job_type=ECHO) == []
    assert row_of(sql, job_id, "state") == ("queued",)


def test_two_servants_that_race_share_the_jobs_out(sql: psycopg.Connection, database_url: str) -> None:
    ids = add_jobs(sql, 60)
    queue_jobs(sql, ids)
    connections = [psycopg.connect(database_url, autocommit=True) for _ in range(3)]

    def claimer(servant_id: int) -> list[int]:
        offered = ids if servant_id % 2 else ids[::-1]
        return [held.id for held in claim_jobs(connections[servant_id], offered, servant_id=servant_id)]

    taken = together([partial(claimer, n) for n in range(3)])
    for connection in connections:
        connection.close()
    assert sorted(identity for part in taken for identity in part) == ids


def test_a_claim_passes_over_what_another_one_is_taking(sql: psycopg.Connection, database_url: str) -> None:
    ids = add_jobs(sql, 4)
    queue_jobs(sql, ids)
    with psycopg.connect(database_url) as first:
        assert [held.id for held in claim_jobs(first, ids[:2], servant_id=1)] == ids[:2]
        assert [held.id for held in claim_jobs(sql, ids, servant_id=2)] == ids[2:]


def test_a_claim_that_rolls_back_leaves_the_job_to_be_claimed_again(sql: psycopg.Connection, database_url: str) -> None:
    (job_id,) = add_jobs(sql)
    queue_jobs(sql, [job_id])
    with psycopg.connect(database_url) as first:
        claim_jobs(first, [job_id], servant_id=1)
        first.rollback()
    assert [held.attempt for held in claim_jobs(sql, [job_id], servant_id=2)] == [1]


def test_a_cancellation_waits_for_the_claim_it_races_with_and_then_finds_the_job_running(
    sql: psycopg.Connection, database_url: str
) -> None:
    (job_id,) = add_jobs(sql)
    queue_jobs(sql, [job_id])
    with (
        psycopg.connect(database_url) as first,
        psycopg.connect(database_url, autocommit=True) as second,
    ):
        claim_jobs(first, [job_id], servant_id=1)
        with in_background(partial(second.execute, statement("cancel_waiting_jobs"), {"ids": [job_id]})) as cancelled:
            wait_until_blocked(sql, by=first)
            first.commit()
        assert cancelled.result().fetchall() == []
    assert row_of(sql, job_id, "state") == ("running",)
