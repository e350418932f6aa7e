"""Unique keys: what each rule does to the job that holds one, and that it holds whoever comes in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
from tests.support.unique import DEBOUNCE, EARLIER, HOUR, LATER, REPLACE, WAITING, call, claim, message_of


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
    assert sql.execute("SELECT due_at FROM lane_wakes WHERE lane = 'account:2' AND pending >= 0").fetchall() == [
        (LATER,)
    ]
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
