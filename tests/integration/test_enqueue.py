"""Enqueueing: in the caller's own transaction, one at a time or in bulk, once per key, and refused with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from infra.postgres.connect import sqlalchemy_url
from infra.postgres.enqueue import BULK_ROWS, Effect, Enqueued, NewJob, enqueue, enqueue_many
from retinue import Job, Payload, servant
from retinue.errors import InvalidPayload, UnknownType
from servants.system import Echo
from tests.support.assertions import assert_consistent, row_of, states
from tests.support.factories import ECHO, claim_jobs, queue_jobs, settle_one
from tests.support.race import in_background, together, wait_until_blocked


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = create_engine(sqlalchemy_url(database_url))
    yield made
    made.dispose()


def wakes(sql: psycopg.Connection) -> int:
    return int(sql.execute("SELECT count(*) FROM lane_wakes").fetchall()[0][0])


def test_a_job_is_made_with_its_defaults(sql: psycopg.Connection) -> None:
    made = enqueue(sql, ECHO, {"message": "hello"})
    assert made.created
    columns = (
        "type, account_id, lane, priority, state, reason, attempt, unique_key, payload->>'message', run_at <= now()"
    )
    assert row_of(sql, made.id, columns) == (
        ECHO,
        None,
        "system",
        5,
        "pending",
        "enqueue",
        0,
        None,
        "hello",
        True,
    )
    assert_consistent(sql)


def test_a_job_carries_what_it_was_given(sql: psycopg.Connection) -> None:
    later = datetime.now(UTC) + timedelta(days=3)
    payload = Echo(message="model")
    made = enqueue(sql, ECHO, payload, account_id=7, run_at=later, priority=0, unique_key="k")
    columns = "account_id, lane, run_at, priority, unique_key, payload->>'message'"
    assert row_of(sql, made.id, columns) == (7, "account:7", later, 0, "k", "model")
    assert sql.execute("SELECT due_at FROM lane_wakes").fetchall() == [(later,)]


def test_the_lane_can_be_a_field_of_the_payload(sql: psycopg.Connection) -> None:
    made = enqueue(sql, "calendar.sync", {"connection_id": 12}, account_id=7)
    assert row_of(sql, made.id, "lane") == ("connection_id:12",)


def test_with_psycopg_a_job_lives_and_dies_with_the_transaction(sql: psycopg.Connection, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        enqueue(connection, ECHO)
        assert states(sql) == {}
        connection.rollback()
        assert (states(sql), wakes(sql)) == ({}, 0)
        enqueue(connection, ECHO)
        connection.commit()
    assert (states(sql), wakes(sql)) == ({"pending": 1}, 1)


def test_with_a_core_connection_too(sql: psycopg.Connection, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO accounts (name) VALUES ('mine')"))
        enqueue(connection, ECHO)
        assert states(sql) == {}
        connection.rollback()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (name) VALUES ('mine')"))
        enqueue(connection, ECHO)
    assert (states(sql), wakes(sql)) == ({"pending": 1}, 1)
    assert sql.execute("SELECT count(*) FROM accounts").fetchone() == (1,)


def test_with_a_session_the_job_commits_with_the_callers_own_rows(sql: psycopg.Connection, engine: Engine) -> None:
    def sign_up(*, fail: bool) -> None:
        with Session(engine) as session, session.begin():
            account = session.execute(text("INSERT INTO accounts (name) VALUES ('mine') RETURNING id")).scalar_one()
            enqueue(session, ECHO, account_id=account)
            if fail:
                raise ValueError("the card was declined")

    with pytest.raises(ValueError, match="declined"):
        sign_up(fail=True)
    assert (states(sql), wakes(sql)) == ({}, 0)
    sign_up(fail=False)
    assert (states(sql), wakes(sql)) == ({"pending": 1}, 1)


def test_a_savepoint_that_rolls_back_takes_only_its_own_job_along(sql: psycopg.Connection, engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        kept = enqueue(session, ECHO)
        with session.begin_nested() as savepoint:
            enqueue(session, ECHO)
            savepoint.rollback()
    assert sql.execute("SELECT id FROM jobs").fetchall() == [(kept.id,)]
    assert wakes(sql) == 1


def test_a_connection_that_gives_rows_of_another_shape_will_do(database_url: str) -> None:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        first = enqueue(connection, ECHO, unique_key="k")  # type: ignore[arg-type] # rows are dicts here
        second = enqueue(connection, ECHO, unique_key="k")  # type: ignore[arg-type] # rows are dicts here
    assert (first.created, second) == (True, Enqueued(first.id, Effect.IGNORED))


def test_another_driver_is_named() -> None:
    other = create_engine("sqlite://")
    with other.connect() as connection, pytest.raises(TypeError, match="psycopg 3, not sqlite3"):
        enqueue(connection, ECHO)
    other.dispose()


def test_bulk_keeps_the_order_and_wakes_each_lane_once(sql: psycopg.Connection) -> None:
    jobs = [NewJob(type=ECHO, payload={"message": str(n)}, account_id=n % 3) for n in range(BULK_ROWS + 10)]
    made = enqueue_many(sql, jobs)
    assert [job.id for job in made] == sorted(job.id for job in made)
    # In two statements.
    assert wakes(sql) == 6
    messages: dict[int, str] = dict(sql.execute("SELECT id, payload->>'message' FROM jobs").fetchall())
    assert [messages[job.id] for job in made] == [job.payload["message"] for job in jobs]  # type: ignore[index] # mappings
    assert_consistent(sql)


def test_bulk_mixes_types_keys_and_times(sql: psycopg.Connection) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    jobs = [
        NewJob(type=ECHO, payload={}, unique_key="b"),
        NewJob(type="system.sleep", payload={"seconds": 1}, request_id="r"),
        NewJob(type=ECHO, payload={}, unique_key="a", run_at=later),
        NewJob(type=ECHO, payload={}, unique_key="b"),
        NewJob(type=ECHO, payload={}, retry_of=99),
    ]
    made = enqueue_many(sql, jobs)
    assert [job.created for job in made] == [True, True, True, False, True]
    assert made[3].id == made[0].id
    assert row_of(sql, made[1].id, "type, request_id") == ("system.sleep", "r")
    assert row_of(sql, made[2].id, "unique_key, run_at") == ("a", later)
    assert row_of(sql, made[4].id, "retry_of") == (99,)


def test_enqueueing_nothing_is_nothing(sql: psycopg.Connection) -> None:
    assert enqueue_many(sql, []) == []
    assert wakes(sql) == 0


@pytest.mark.parametrize(
    "value", ['say "hi"', "back\\slash", "{brace,comma}", "NULL", "é 日本", "\\u0000", "a\nb\tc", "'"]
)
def test_any_text_arrives_as_it_was_sent(sql: psycopg.Connection, value: str) -> None:
    plain, keyed = enqueue_many(
        sql,
        [NewJob(type=ECHO, payload={"message": value}), NewJob(type=ECHO, payload={"message": value}, unique_key="k")],
    )
    for made in (plain, keyed):
        assert row_of(sql, made.id, "payload->>'message'") == (value,)


def test_a_key_is_held_until_its_job_is_finished(sql: psycopg.Connection) -> None:
    first = enqueue(sql, ECHO, unique_key="k")
    assert enqueue(sql, ECHO, unique_key="k") == Enqueued(first.id, Effect.IGNORED)
    assert enqueue(sql, "system.sleep", {"seconds": 1}, unique_key="k").created
    queue_jobs(sql, [first.id])
    assert enqueue(sql, ECHO, unique_key="k") == Enqueued(first.id, Effect.IGNORED)
    (held,) = claim_jobs(sql, [first.id], servant_id=1)
    assert enqueue(sql, ECHO, unique_key="k") == Enqueued(first.id, Effect.IGNORED)
    settle_one(sql, held)
    second = enqueue(sql, ECHO, unique_key="k")
    assert second.created
    assert second.id != first.id


def test_three_callers_race_for_a_key_and_one_makes_the_job(sql: psycopg.Connection, database_url: str) -> None:
    connections = [psycopg.connect(database_url, autocommit=True) for _ in range(3)]
    outcomes = []
    for round_ in range(10):
        made = together([partial(enqueue, each, ECHO, unique_key=f"k{round_}") for each in connections])
        assert len({job.id for job in made}) == 1
        outcomes.append(Counter(job.created for job in made))
    for connection in connections:
        connection.close()
    assert outcomes == [Counter({True: 1, False: 2})] * 10


@pytest.mark.parametrize("winner_commits", [True, False])
def test_the_losers_of_a_key_wait_for_the_winner(
    sql: psycopg.Connection, database_url: str, winner_commits: bool
) -> None:
    """Three threads, held at the very insert: the winner's end decides what the others make of it."""
    with (
        psycopg.connect(database_url) as first,
        psycopg.connect(database_url, autocommit=True) as second,
        psycopg.connect(database_url, autocommit=True) as third,
    ):
        won = enqueue(first, ECHO, unique_key="k")
        with (
            in_background(partial(enqueue, second, ECHO, unique_key="k")) as one,
            in_background(partial(enqueue, third, ECHO, unique_key="k")) as other,
        ):
            wait_until_blocked(sql, by=first, count=2)
            assert not one.done()
            assert not other.done()
            if winner_commits:
                first.commit()
            else:
                first.rollback()
        losers = [one.result(), other.result()]
    if winner_commits:
        assert losers == [Enqueued(won.id, Effect.IGNORED)] * 2
    else:
        assert Counter(job.created for job in losers) == Counter({True: 1, False: 1})
        assert len({job.id for job in losers}) == 1
    assert states(sql) == {"pending": 1}


def test_a_key_whose_holder_finishes_between_the_looks_is_taken(sql: psycopg.Connection, database_url: str) -> None:
    """The holder is on its way out, uncommitted: the insert waits, and then the key is free."""
    first = enqueue(sql, ECHO, unique_key="k")
    queue_jobs(sql, [first.id])
    (held,) = claim_jobs(sql, [first.id], servant_id=1)
    with psycopg.connect(database_url) as settling, psycopg.connect(database_url, autocommit=True) as other:
        settle_one(settling, held)
        with in_background(partial(enqueue, other, ECHO, unique_key="k")) as made:
            wait_until_blocked(sql, by=settling)
            settling.commit()
        assert made.result().created
    assert states(sql) == {"pending": 1, "completed": 1}


def test_two_callers_who_bring_the_same_keys_in_other_orders_do_not_deadlock(
    sql: psycopg.Connection, database_url: str
) -> None:
    jobs = [NewJob(type=ECHO, payload={}, unique_key=f"k{n:02}") for n in range(40)]

    def bring(order: list[NewJob]) -> Counter[bool]:
        with psycopg.connect(database_url) as connection:
            return Counter(made.created for made in enqueue_many(connection, order))

    made = together([partial(bring, jobs), partial(bring, jobs[::-1])])
    assert sum(made, Counter()) == Counter({True: 40, False: 40})
    assert states(sql) == {"pending": 40}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"payload": {"massage": "x"}}, "The payload for 'system.echo' does not fit Echo .*massage: Extra inputs"),
        ({"payload": {"message": 1}}, "message: Input should be a valid string"),
        ({"payload": {"fail": "often"}}, "fail: "),
        ({"payload": {"message": "a\0b"}}, "'system.echo' holds a NUL character, which PostgreSQL cannot keep"),
        ({"payload": {"message": "half \ud800"}}, "The payload for 'system.echo'"),
        ({"priority": 10}, "priority is 0 \\(most urgent\\) to 9, got 10"),
        ({"priority": -1}, "priority is 0"),
        ({"priority": "5"}, "priority is 0 \\(most urgent\\) to 9, got '5'"),
        ({"priority": 5.0}, "priority is 0"),
        ({"priority": True}, "priority is 0"),
        ({"run_at": datetime(2026, 1, 1)}, "run_at needs a time zone, got 2026-01-01T00:00:00"),  # noqa: DTZ001 - the fault under test
        (
            {"run_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))},
            "run_at is in the years 1970 to 8999",
        ),
        ({"run_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=12)))}, "run_at is in the years 1970 to 8999"),
        ({"account_id": "7,8"}, "account_id is a number, got '7,8'"),
        ({"account_id": 2**63}, "account_id is a number, got 9223372036854775808"),
        ({"unique_key": ""}, "unique_key is empty"),
        ({"unique_key": "k" * 501}, "unique_key is at most 500 printable characters, got 501"),
        ({"unique_key": "a\0b"}, "unique_key is at most 500 printable characters"),
    ],
)
@pytest.mark.parametrize("keyed", [False, True])
def test_what_does_not_fit_is_refused_before_the_database_hears_of_it(
    sql: psycopg.Connection, arguments: dict[str, Any], message: str, keyed: bool
) -> None:
    with sql.transaction():
        if keyed:
            arguments = {"unique_key": "k"} | arguments
        with pytest.raises(InvalidPayload, match=message):
            enqueue(sql, ECHO, **arguments)
        # The caller's transaction is none the worse for it.
        enqueue(sql, ECHO)
    assert states(sql) == {"pending": 1}


def test_one_bad_job_of_many_makes_none(sql: psycopg.Connection) -> None:
    with pytest.raises(InvalidPayload):
        enqueue_many(sql, [NewJob(type=ECHO, payload={}), NewJob(type=ECHO, payload={"x": 1})])
    assert states(sql) == {}


def test_an_unknown_type_suggests_the_nearest(sql: psycopg.Connection) -> None:
    with pytest.raises(UnknownType, match=r"Unknown job type 'system\.ecko'\. Did you mean 'system.echo'"):
        enqueue(sql, "system.ecko")


class Mailbox(Payload):
    address: str


@servant("mail.fetch", lane="address")
def fetch_mail(job: Job[Mailbox]) -> None:
    """Its lane is whatever somebody typed."""


@pytest.mark.parametrize("address", ["x" * 3000, "a\0b", "half \ud800"])
def test_a_lane_that_no_index_can_hold_is_refused(
    sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr("infra.postgres.enqueue.load_servant", lambda _name: fetch_mail)
    with pytest.raises(InvalidPayload, match=r"lane is at most 500 printable characters|valid string"):
        enqueue(sql, "mail.fetch", {"address": address})
    assert enqueue(sql, "mail.fetch", {"address": "a@example.org"}).created
