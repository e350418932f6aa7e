"""Unique keys: what each rule does to the job that holds one, and that it holds whoever comes in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from infra.postgres import unique as uniqueness
from infra.postgres.connect import Database
from infra.postgres.enqueue import BULK_ROWS, Effect, Enqueued, NewJob, enqueue, enqueue_many
from infra.postgres.job_actions import Deed, retry_jobs
from infra.postgres.statements import statement
from retinue import Unique
from retinue.errors import InvalidPayload
from retinue.outcomes import Fail, Retry
from scheduler.retain import Retain
from tests.support.assertions import assert_consistent, row_of, states
from tests.support.factories import ECHO, claim_jobs, queue_jobs, settle_one
from tests.support.race import in_background, together, wait_until_blocked

LATER = datetime.now(UTC) + timedelta(hours=6)
HOUR = timedelta(hours=1)

WAITING = Unique("k", over="waiting")
REPLACE = Unique("k", over="waiting", on_conflict="replace")
EARLIER = Unique("k", on_conflict="earlier")
DEBOUNCE = Unique("k", on_conflict="later", max_wait=2 * HOUR)


@pytest.fixture
def other(database_url: str) -> Iterator[psycopg.Connection]:
    """A second caller; its transaction ends when the test says so."""
    with psycopg.connect(database_url) as connection:
        yield connection


def call(connection: psycopg.Connection, message: str, unique: Unique, **options: Any) -> Enqueued:
    return enqueue(connection, ECHO, {"message": message}, unique=unique, **options)


def message_of(sql: psycopg.Connection, job_id: int) -> str:
    (message,) = row_of(sql, job_id, "payload->>'message'")
    return str(message)


def claim(sql: psycopg.Connection, job_id: int) -> Any:
    queue_jobs(sql, [job_id])
    (held,) = claim_jobs(sql, [job_id], servant_id=1)
    return held


def test_a_key_over_waiting_is_given_up_by_the_claim(sql: psycopg.Connection) -> None:
    first = call(sql, "a", WAITING)
    assert call(sql, "b", WAITING) == Enqueued(first.id, Effect.IGNORED)
    held = claim(sql, first.id)
    next_one = call(sql, "c", WAITING)
    assert (next_one.created, message_of(sql, first.id)) == (True, "a")
    # One that failed and waits again has no key to take back: the next one has it.
    settle_one(sql, held, Retry())
    assert call(sql, "d", WAITING) == Enqueued(next_one.id, Effect.IGNORED)
    assert states(sql) == {"pending": 2}
    assert_consistent(sql)


def test_replace_gives_the_waiting_job_everything_that_is_new(sql: psycopg.Connection) -> None:
    first = call(sql, "old", REPLACE, account_id=1, priority=9, run_at=LATER)
    sql.execute("""UPDATE jobs SET checkpoint = '{"at": 3}' WHERE id = %s""", (first.id,))

    assert call(sql, "new", REPLACE, account_id=2, priority=1) == Enqueued(first.id, Effect.REPLACED)

    columns = "payload->>'message', account_id, lane, priority, run_at, checkpoint, state"
    assert row_of(sql, first.id, columns) == ("new", 2, "account:2", 1, LATER, None, "pending")
    assert call(sql, "newer", REPLACE, run_at=LATER + HOUR).effect == Effect.REPLACED
    assert row_of(sql, first.id, "run_at") == (LATER + HOUR,)
    # Its new lane knows of it.
    assert sql.execute("SELECT due_at FROM lane_wakes WHERE lane = 'account:2'").fetchall() == [(LATER,)]
    assert_consistent(sql)


def test_replace_takes_a_queued_job_back_so_that_no_servant_starts_the_old_payload(sql: psycopg.Connection) -> None:
    first = call(sql, "old", REPLACE)
    queue_jobs(sql, [first.id])
    sql.execute("UPDATE jobs SET charged_seconds = 2 WHERE id = %s", (first.id,))
    sql.execute("DELETE FROM lane_wakes")

    assert call(sql, "new", REPLACE, account_id=4).effect == Effect.REPLACED

    assert row_of(sql, first.id, "state, reason, lane") == ("pending", "undelivered", "account:4")
    assert claim_jobs(sql, [first.id], servant_id=1) == []
    # The old lane gets back its place and what it was charged with.
    assert sql.execute("SELECT lane, charge FROM lane_wakes ORDER BY lane").fetchall() == [
        ("account:4", 0),
        ("system", -2),
    ]
    assert_consistent(sql)


def test_a_running_holder_is_left_alone(sql: psycopg.Connection) -> None:
    first = call(sql, "old", EARLIER)
    held = claim(sql, first.id)
    for rules in (EARLIER, DEBOUNCE, Unique("k", on_conflict="replace"), Unique("k")):
        assert call(sql, "new", rules, run_at=LATER) == Enqueued(first.id, Effect.IGNORED)
    assert row_of(sql, first.id, "payload->>'message', state, attempt") == ("old", "running", held.attempt)


def test_earlier_only_hastens(sql: psycopg.Connection) -> None:
    first = call(sql, "old", EARLIER, run_at=LATER)
    assert call(sql, "new", EARLIER, run_at=LATER + HOUR).effect == Effect.IGNORED
    assert call(sql, "new", EARLIER, run_at=LATER - HOUR) == Enqueued(first.id, Effect.MOVED)
    assert row_of(sql, first.id, "run_at, payload->>'message'") == (LATER - HOUR, "old")
    assert call(sql, "new", EARLIER).effect == Effect.MOVED
    assert row_of(sql, first.id, "run_at <= now()") == (True,)
    assert_consistent(sql)


def test_earlier_does_not_hasten_what_waits_after_a_failure(sql: psycopg.Connection) -> None:
    first = call(sql, "old", EARLIER)
    settle_one(sql, claim(sql, first.id), Retry())
    (run_at,) = row_of(sql, first.id, "run_at")
    assert call(sql, "new", EARLIER).effect == Effect.IGNORED
    assert row_of(sql, first.id, "run_at") == (run_at,)


def test_later_puts_off_until_its_longest_wait(sql: psycopg.Connection) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    first = call(sql, "a", DEBOUNCE, run_at=soon)
    assert call(sql, "b", DEBOUNCE, run_at=soon + HOUR) == Enqueued(first.id, Effect.MOVED)
    assert row_of(sql, first.id, "run_at, payload->>'message'") == (soon + HOUR, "b")
    assert call(sql, "c", DEBOUNCE, run_at=soon + 9 * HOUR).effect == Effect.MOVED
    assert row_of(sql, first.id, "run_at - created_at, payload->>'message'") == (2 * HOUR, "c")
    # At its longest wait, and for a sooner time, only the payload changes.
    assert call(sql, "d", DEBOUNCE, run_at=soon).effect == Effect.REPLACED
    assert row_of(sql, first.id, "run_at - created_at, payload->>'message'") == (2 * HOUR, "d")
    assert_consistent(sql)


def test_a_key_is_kept_for_its_period_though_its_job_is_finished(sql: psycopg.Connection, database: Database) -> None:
    kept = Unique("k", for_period=HOUR)
    first = call(sql, "a", kept)
    settle_one(sql, claim(sql, first.id))
    assert call(sql, "b", kept) == Enqueued(first.id, Effect.IGNORED)
    # It binds only those who ask for it.
    plain = call(sql, "c", Unique("k"))
    assert plain.created
    settle_one(sql, claim(sql, plain.id))

    sql.execute("UPDATE job_keys SET until = now() - interval '1 s'")
    second = call(sql, "d", kept)
    assert (second.created, states(sql)) == (True, {"completed": 2, "pending": 1})
    assert sql.execute("SELECT key, job_id FROM job_keys").fetchall() == [("k", second.id)]

    sql.execute("UPDATE job_keys SET until = now() - interval '1 s'")
    Retain(database, history_days=14).run_once()
    assert sql.execute("SELECT count(*) FROM job_keys").fetchone() == (0,)


def test_a_period_begins_with_a_job_that_is_made_not_with_one_that_is_not(sql: psycopg.Connection) -> None:
    first = call(sql, "a", Unique("k"))
    assert call(sql, "b", Unique("k", for_period=HOUR)) == Enqueued(first.id, Effect.IGNORED)
    assert sql.execute("SELECT count(*) FROM job_keys").fetchone() == (0,)
    settle_one(sql, claim(sql, first.id))
    assert call(sql, "c", Unique("k", for_period=HOUR)).created


def test_the_same_key_again_and_again_in_one_call(sql: psycopg.Connection) -> None:
    rules = [Unique("k", on_conflict=word) for word in ("ignore", "replace", "earlier", "ignore")]
    jobs = [NewJob(type=ECHO, payload={"message": str(n)}, unique=rule) for n, rule in enumerate(rules)]
    made = enqueue_many(sql, [*jobs, NewJob(type=ECHO, payload={}, unique=Unique("a"))])
    assert [one.effect for one in made] == ["created", "replaced", "ignored", "ignored", "created"]
    assert len({one.id for one in made[:4]}) == 1
    assert message_of(sql, made[0].id) == "1"


def test_thousands_of_keys_take_a_few_statements(sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Counter[str] = Counter()

    def counted(connection: psycopg.Connection, name: str, params: dict[str, Any]) -> psycopg.Cursor[Any]:
        told[name] += 1
        return execute(connection, name, params)

    execute = uniqueness.execute
    monkeypatch.setattr(uniqueness, "execute", counted)
    count = BULK_ROWS + 100
    period = Unique("p", for_period=HOUR)
    jobs = [NewJob(type=ECHO, payload={"message": "a"}, unique_key=f"k{n}") for n in range(count)]
    made = enqueue_many(sql, [*jobs, NewJob(type=ECHO, payload={}, unique=period)])
    assert Counter(one.effect for one in made) == {"created": count + 1}
    rules = [Unique(f"k{n}", on_conflict="replace" if n % 2 else "ignore") for n in range(count)]
    again = enqueue_many(sql, [NewJob(type=ECHO, payload={"message": "b"}, unique=rule) for rule in rules])
    assert [one.id for one in again] == [one.id for one in made[:count]]
    assert [one.effect for one in again] == ["replaced" if n % 2 else "ignored" for n in range(count)]
    assert told == {
        "enqueue_unique_jobs": 4,
        "find_key_holders": 1,
        "lock_key_holders": 1,
        "change_key_holders": 1,
    }
    messages = sql.execute("SELECT payload->>'message', count(*) FROM jobs GROUP BY 1 ORDER BY 1").fetchall()
    assert messages == [("", 1), ("a", count // 2), ("b", count // 2)]
    assert_consistent(sql)


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


def test_a_retry_of_a_finished_job_finds_its_key_taken(sql: psycopg.Connection) -> None:
    first = call(sql, "a", Unique("k"))
    settle_one(sql, claim(sql, first.id), Fail("no use"))
    taken = call(sql, "b", REPLACE)
    (result,) = retry_jobs(sql, [first.id])
    assert (result.deed, result.new_job_id) == (Deed.NOTHING, taken.id)
    assert message_of(sql, taken.id) == "b"


def test_the_key_of_a_schedules_tick_can_be_met_like_any_other(sql: psycopg.Connection) -> None:
    """`overlap=skip` holds its key over unfinished; a tick that finds it held makes no job."""
    schedule = sql.execute(
        "INSERT INTO schedules (type, name, every_seconds, lane) VALUES (%s, 'tick', 60, 'system') RETURNING id",
        (ECHO,),
    ).fetchall()[0][0]
    fire = {"schedule_ids": [schedule], "run_ats": [datetime.now(UTC)]}
    tick: Callable[[int], list[Any]] = lambda n: sql.execute(  # noqa: E731 - two calls that differ by their minute
        statement("fire_schedules"), fire | {"fire_ats": [datetime(2026, 1, 1, 0, n, tzinfo=UTC)]}
    ).fetchall()
    ((first,),) = tick(0)
    assert tick(1) == []
    key = Unique(f"schedule:{schedule}", on_conflict="replace")
    assert call(sql, "new", key) == Enqueued(first, Effect.REPLACED)
    settle_one(sql, claim(sql, first))
    made = call(sql, "mine", key)
    assert (made.created, tick(2)) == (True, [])


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"unique": Unique("")}, "unique_key is empty"),
        ({"unique": Unique("k" * 501)}, "unique_key is at most 500 printable"),
        ({"unique": Unique("k"), "unique_key": "k"}, "give unique_key or unique, not both"),
    ],
)
def test_keys_that_cannot_be(sql: psycopg.Connection, rules: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidPayload, match=fault):
        enqueue(sql, ECHO, **rules)
