"""Unique keys, with somebody in between: holders that move on meanwhile, callers in other orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import psycopg
import pytest

from infra.postgres.enqueue import Effect, Enqueued, NewJob, enqueue_many
from infra.postgres.statements import statement
from retinue import Unique
from tests.support.assertions import assert_consistent, row_of, states
from tests.support.factories import ECHO, claim_jobs, queue_jobs
from tests.support.race import in_background, together, wait_until_blocked
from tests.support.unique import DEBOUNCE, EARLIER, HOUR, LATER, REPLACE, call, message_of


@pytest.fixture
def other(database_url: str) -> Iterator[psycopg.Connection]:
    """A second caller; its transaction ends when the test says so."""
    with psycopg.connect(database_url) as connection:
        yield connection


@pytest.mark.parametrize("over", ["waiting", "unfinished"])
def test_a_holder_that_is_claimed_between_the_looks_keeps_its_payload(
    sql: psycopg.Connection, other: psycopg.Connection, database_url: str, over: str
) -> None:
    rules = Unique("k", over=over, on_conflict="replace")
    first = call(sql, "old", rules)
    queue_jobs(sql, [first.id])
    # The caller finds the holder waiting, and then waits for its row, which the claim has.
    other.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (first.id,))
    with (
        in_background(partial(call, sql, "new", rules)) as made,
        psycopg.connect(database_url, autocommit=True) as looking,
    ):
        wait_until_blocked(looking, by=other)
        claim_jobs(other, [first.id], servant_id=1)
        other.commit()
    assert row_of(sql, first.id, "state, payload->>'message'") == ("running", "old")
    if over == "waiting":
        assert made.result().created
        assert message_of(sql, made.result().id) == "new"
    else:
        assert made.result() == Enqueued(first.id, Effect.IGNORED)
    assert_consistent(sql)


def finish(connection: psycopg.Connection, job_id: int) -> None:
    connection.execute(statement("cancel_waiting_jobs"), {"ids": [job_id]})


@pytest.mark.parametrize("rules", [REPLACE, DEBOUNCE, EARLIER, Unique("k")])
def test_a_holder_that_ends_meanwhile_makes_room(
    sql: psycopg.Connection, other: psycopg.Connection, database_url: str, rules: Unique
) -> None:
    first = call(sql, "old", rules, run_at=LATER)
    finish(other, first.id)
    with (
        in_background(partial(call, sql, "new", rules)) as made,
        psycopg.connect(database_url, autocommit=True) as looking,
    ):
        wait_until_blocked(looking, by=other)
        other.commit()
    assert made.result().created
    assert message_of(sql, made.result().id) == "new"


@pytest.mark.parametrize("commits", [True, False])
def test_a_holder_that_is_found_and_then_ends_is_not_changed(
    sql: psycopg.Connection, other: psycopg.Connection, database_url: str, commits: bool
) -> None:
    first = call(sql, "old", REPLACE)
    other.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (first.id,))
    with (
        in_background(partial(call, sql, "new", REPLACE)) as made,
        psycopg.connect(database_url, autocommit=True) as looking,
    ):
        wait_until_blocked(looking, by=other)
        finish(other, first.id)
        other.commit() if commits else other.rollback()
    assert made.result().effect == (Effect.CREATED if commits else Effect.REPLACED)
    assert message_of(sql, made.result().id) == "new"
    assert states(sql) == ({"pending": 1, "cancelled": 1} if commits else {"pending": 1})


def test_a_claim_passes_over_a_job_that_is_being_replaced(sql: psycopg.Connection, other: psycopg.Connection) -> None:
    first = call(sql, "old", REPLACE)
    queue_jobs(sql, [first.id])
    assert call(other, "new", REPLACE).effect == Effect.REPLACED
    assert claim_jobs(sql, [first.id], servant_id=1) == []
    other.commit()
    assert claim_jobs(sql, [first.id], servant_id=1) == []
    queue_jobs(sql, [first.id])
    assert [held.id for held in claim_jobs(sql, [first.id], servant_id=1)] == [first.id]
    assert message_of(sql, first.id) == "new"


@pytest.mark.parametrize("period", [None, HOUR])
@pytest.mark.parametrize("present", [True, False])
def test_callers_with_the_same_keys_in_other_orders_do_not_deadlock(
    sql: psycopg.Connection, database_url: str, present: bool, period: timedelta | None
) -> None:
    def jobs(message: str) -> list[NewJob]:
        rules = [Unique(f"k{n:02}", on_conflict="replace", for_period=period) for n in range(40)]
        return [NewJob(type=ECHO, payload={"message": message}, unique=rule) for rule in rules]

    if present:
        # Their IDs run against the order of their keys.
        for job in reversed(jobs("old")):
            enqueue_many(sql, [job])

    def bring(order: list[NewJob]) -> Counter[str]:
        effects: Counter[str] = Counter()
        for _ in range(5):
            with psycopg.connect(database_url) as connection:
                effects.update(made.effect for made in enqueue_many(connection, order))
        return effects

    made = together([partial(bring, jobs("a")), partial(bring, jobs("b")[::-1]), partial(bring, jobs("c"))])
    expected = {"replaced": 600} if present else {"created": 40, "replaced": 560}
    assert sum(made, Counter()) == expected
    assert states(sql) == {"pending": 40}
    # Whoever came last, came last for all of them: each call is one transaction.
    assert len(sql.execute("SELECT DISTINCT payload->>'message' FROM jobs").fetchall()) == 1


def test_callers_race_for_a_kept_key_and_one_makes_the_job(sql: psycopg.Connection, database_url: str) -> None:
    def bring(round_: int) -> Enqueued:
        with psycopg.connect(database_url) as connection:
            return call(connection, "x", Unique(f"k{round_}", for_period=HOUR))

    for round_ in range(5):
        made = together([partial(bring, round_)] * 3)
        assert Counter(one.effect for one in made) == {"created": 1, "ignored": 2}
    assert states(sql) == {"pending": 5}


def test_a_call_that_starts_over_leaves_the_callers_transaction_alone(
    sql: psycopg.Connection, other: psycopg.Connection, database_url: str
) -> None:
    first = call(sql, "old", REPLACE)
    other.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (first.id,))

    def work() -> Enqueued:
        with psycopg.connect(database_url) as connection:
            connection.execute("INSERT INTO accounts (name) VALUES ('mine')")
            return call(connection, "new", REPLACE)

    with in_background(work) as made:
        wait_until_blocked(sql, by=other)
        finish(other, first.id)
        other.commit()
    assert made.result().created
    assert sql.execute("SELECT name FROM accounts").fetchall() == [("mine",)]


@pytest.mark.parametrize("begin", [True, False])
def test_what_was_changed_goes_with_the_callers_transaction(
    sql: psycopg.Connection, other: psycopg.Connection, begin: bool
) -> None:
    first = call(sql, "old", REPLACE)
    if begin:
        other.execute("SELECT")
    assert call(other, "new", REPLACE).effect == Effect.REPLACED
    assert message_of(sql, first.id) == "old"
    other.rollback()
    assert message_of(sql, first.id) == "old"
