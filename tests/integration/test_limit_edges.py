"""Holds, breakers and incidents where errors are strange, times far away, and several are at the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from infra.postgres.connections import mark_active, update_connection
from infra.postgres.holds import hold_lanes, list_holds
from infra.postgres.settle import settle_jobs
from infra.secrets import Keyring, generate_key
from retinue import Job, Outcome, RateLimited, TransientError, servant
from retinue.holds import Hold, HoldKind
from retinue.order import StrictOrder, keep_order
from retinue.outcomes import Blocked, Fail, Park
from tests.support.assertions import history_of
from tests.support.caller import TYPE, CallOnce, connect_customer
from tests.support.factories import ECHO, add_account, add_servant, run_jobs
from tests.support.race import in_background, wait_until_blocked
from tests.support.runtime import AT_ONCE, House, open_house

KEYRING = Keyring(generate_key())


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as made:
        yield made


class Broken(TransientError):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def run_call(house: House, call: Callable[[], None], **payload: object) -> tuple[int, int]:
    """One job that does this inside a call over a connection; the job and the connection."""

    def handler(job: Job[CallOnce]) -> Outcome | None:
        with job.connection(job.payload.connection_id).call(job.payload.cost):
            call()
        return None

    account_id = add_account(house.sql)
    connection_id = connect_customer(house.sql, house.keyring, "http://127.0.0.1:9", account_id=account_id, name="one")
    house.start(servant(TYPE, slots=1, lane="connection_id", retry=AT_ONCE)(handler))
    (job_id,) = house.run(
        {"connection_id": connection_id, **payload},
        job_type=TYPE, lane=f"connection_id:{connection_id}", account_id=account_id,
    )  # fmt: skip
    return job_id, connection_id


# --- what errors say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [TransientError("a\0b"), TransientError("half \ud800 of one"), Broken()])
def test_a_failure_counts_whatever_its_text_is(house: House, error: TransientError) -> None:
    """The text is the provider's, who may send anything."""

    def fail() -> None:
        raise error

    job_id, connection_id = run_call(house, fail)
    house.wait(job_id, "failed", "exhausted")
    (row,) = house.sql.execute("SELECT scope, cardinality(failed_at) FROM breakers").fetchall()
    assert row == (f"connection:{connection_id}", 3)


def test_a_limit_that_ends_in_the_year_9999_holds_the_lane_and_fails_nothing(house: House) -> None:
    def refuse() -> None:
        raise RateLimited(reset_at=datetime.max.replace(tzinfo=UTC))

    job_id, connection_id = run_call(house, refuse)
    house.wait(job_id, "pending", "snooze")
    (held,) = list_holds(house.sql, TYPE, f"connection_id:{connection_id}")
    assert (held.kind, held.until) == (HoldKind.BUDGET, datetime(9000, 1, 1, tzinfo=UTC))


def test_a_call_that_would_give_calls_back_is_refused(house: House) -> None:
    job_id, _ = run_call(house, lambda: None, cost=-5)
    house.wait(job_id, "failed", "exhausted")
    assert history_of(house.sql, job_id, "error ->> 'message'") == ("a call costs at least 0, got -5",)


# --- locks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def connection_ids(sql: psycopg.Connection) -> list[int]:
    account_id = add_account(sql)
    return [connect_customer(sql, KEYRING, "http://x", account_id=account_id, name=name) for name in ("one", "two")]


def refused(connection_id: int) -> Park:
    return Park("revoked", connection_id=connection_id)


def test_incidents_are_locked_in_one_order(
    sql: psycopg.Connection, database_url: str, connection_ids: list[int]
) -> None:
    """Two servants whose batches meet the same connections must not wait for one another."""
    first, second = connection_ids
    add_servant(sql)
    for job, connection_id in zip(run_jobs(sql, 2), connection_ids, strict=True):
        settle_jobs(sql, [(job.settlement(refused(connection_id)), 0.1)], shard=0)
    entries = [
        (job.settlement(refused(connection_id)), 0.1)
        for job, connection_id in zip(run_jobs(sql, 2, lane="account:2"), (second, first), strict=True)
    ]
    lock = "SELECT FROM incidents WHERE connection_id = %s FOR UPDATE NOWAIT"

    def settle() -> None:
        with psycopg.connect(database_url) as servant:
            settle_jobs(servant, entries, shard=0)

    with psycopg.connect(database_url) as other:
        other.execute(lock, (first,))
        with in_background(settle):
            wait_until_blocked(sql, by=other)
            other.execute(lock, (second,))
            other.commit()


def test_lanes_are_locked_in_one_order_whether_their_jobs_failed_or_went_back(
    sql: psycopg.Connection, database_url: str
) -> None:
    add_servant(sql)
    (failed,), (blocked,) = run_jobs(sql, lane="account:2"), run_jobs(sql, lane="account:1")
    pause = Hold(HoldKind.BUDGET, "connection:1", None, "spent")
    entries = [
        (keep_order(failed.settlement(Fail("refused")), StrictOrder.PARK), 0.1),
        (blocked.settlement(Blocked(pause)), 0.1),
    ]
    hold_lanes(sql, [((ECHO, "account:1"), pause), ((ECHO, "account:2"), pause)])
    lock = "SELECT FROM lanes WHERE lane = %s FOR UPDATE NOWAIT"

    def settle() -> None:
        with psycopg.connect(database_url) as servant:
            settle_jobs(servant, entries, shard=0)

    with psycopg.connect(database_url) as other:
        other.execute(lock, ("account:1",))
        with in_background(settle):
            wait_until_blocked(sql, by=other)
            other.execute(lock, ("account:2",))
            other.commit()


@pytest.mark.parametrize("mends", [True, False])
def test_who_mends_a_connection_waits_for_who_opens_its_incident(
    sql: psycopg.Connection, database_url: str, connection_ids: list[int], *, mends: bool
) -> None:
    add_servant(sql)
    (job,) = run_jobs(sql)
    settle_jobs(sql, [(job.settlement(refused(connection_ids[0])), 0.1)], shard=0)

    def mend() -> None:
        with psycopg.connect(database_url) as person:
            if mends:
                update_connection(person, KEYRING, connection_ids[0], config={}, credentials={"password": "new"})
            else:
                mark_active(person, connection_ids[0])

    with psycopg.connect(database_url) as settling:
        settling.execute("SELECT FROM incidents FOR UPDATE")
        with in_background(mend):
            wait_until_blocked(sql, by=settling)
            settling.execute("SET LOCAL lock_timeout = '2s'")
            settling.execute("UPDATE connections SET problem = 'revoked' WHERE id = %s", (connection_ids[0],))
            settling.commit()
