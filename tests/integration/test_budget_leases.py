"""Leases in a servant's memory: calls draw without the database, refusals say until when, idle calls go back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.budgets import clear_budgets, declare_budgets
from infra.postgres.connect import Database
from retinue.budget import Budget
from retinue.errors import BudgetExhausted
from retinue.limits import DAY, Observation
from servants.runtime.budget_leases import BudgetLeases
from tests.support.factories import add_account
from tests.support.postgres import DatabaseServer
from tests.support.race import wait_until
from tests.support.runtime import Outage


@pytest.fixture
def connection_id(sql: psycopg.Connection) -> int:
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials) "
        "VALUES (%s, 'crm', 'crm', '{}', '') RETURNING id",
        (add_account(sql),),
    ).fetchone()
    assert row is not None
    return int(row[0])


class Process:
    """The leases of one servant process."""

    def __init__(self, database: Database, connection_id: int, servant_id: int) -> None:
        self.leases = BudgetLeases(database, servant_id=servant_id, lease_seconds=30)
        self.connection_id = connection_id
        self.leases.start()

    def call(self, cost: int = 1, *, urgent: bool = False) -> None:
        self.leases.draw(self.connection_id, cost, urgent=urgent)
        self.leases.give_back(self.connection_id)


@pytest.fixture
def one(database: Database, connection_id: int) -> Iterator[Process]:
    process = Process(database, connection_id, 1)
    yield process
    process.leases.stop(5)


@pytest.fixture
def other(database: Database, connection_id: int) -> Iterator[Process]:
    process = Process(database, connection_id, 2)
    yield process
    process.leases.stop(5)


def limit(sql: psycopg.Connection, *processes: Process, **budget: float) -> None:
    """Give the processes' connection this budget."""
    declare_budgets(sql, processes[0].connection_id, Budget(**budget), source="set")  # type: ignore[arg-type] # limits and a share
    for process in processes:
        process.leases.knows(process.connection_id, Budget(**budget).windows())  # type: ignore[arg-type] # likewise


def number(sql: psycopg.Connection, query: str) -> int:
    row = sql.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_a_connection_without_a_budget_is_not_counted(one: Process, sql: psycopg.Connection) -> None:
    one.leases.knows(one.connection_id, [])
    for _ in range(100):
        one.call()
    assert number(sql, "SELECT count(*) FROM budget_leases") == 0


def test_two_processes_use_up_a_budget_and_not_more(one: Process, other: Process, sql: psycopg.Connection) -> None:
    limit(sql, one, other, per_day=300)
    made = [spend(process) for process in (one, other)]
    for thread, _ in made:
        thread.join(30)
    assert sum(len(calls) for _, calls in made) == 300


def spend(process: Process) -> tuple[threading.Thread, list[float]]:
    """Call until the reset is hours away, in a thread; when each call was made."""
    calls: list[float] = []

    def work() -> None:
        while True:
            try:
                process.call()
                calls.append(time.monotonic())
            except BudgetExhausted as error:
                if error.reset_at - datetime.now(UTC) > timedelta(hours=1):
                    return
                time.sleep(0.1)  # what others hold comes back within seconds, and nothing tells when

    thread = threading.Thread(target=work)
    thread.start()
    return thread, calls


def test_calls_go_on_from_memory_while_the_database_is_away(
    one: Process, sql: psycopg.Connection, postgres: DatabaseServer
) -> None:
    limit(sql, one, per_day=10_000_000)
    one.call()
    wait_until(lambda: number(sql, "SELECT sum(calls) FROM budget_leases") >= 1, "nothing was lent")
    for _ in range(50):
        one.call()
    wait_until(lambda: number(sql, "SELECT max(calls) FROM budget_leases") >= 20, "no more is lent to who uses more")
    outage = Outage(postgres, sql)
    outage.begin()
    try:
        for _ in range(10):
            one.call()
    finally:
        outage.end()
    wait_until(lambda: number(sql, "SELECT coalesce(sum(calls), 0) FROM budget_usage") == 61, "61 calls were not told")


def test_what_lies_idle_goes_back(one: Process, sql: psycopg.Connection) -> None:
    limit(sql, one, per_day=100_000)
    one.call()
    wait_until(lambda: number(sql, "SELECT count(*) FROM budget_leases") == 0, "it was not given back")
    assert number(sql, "SELECT sum(calls) FROM budget_usage") == 1


def test_an_urgent_call_gets_the_reserve_and_others_do_not(one: Process, sql: psycopg.Connection) -> None:
    limit(sql, one, per_day=10, reserve=0.3)
    for _ in range(7):
        one.call()
    with pytest.raises(BudgetExhausted) as refused:
        one.call()
    assert refused.value.hold.until is not None
    assert refused.value.hold.until - datetime.now(UTC) < timedelta(seconds=16), "an urgent job gets its chance soon"
    for _ in range(3):
        one.call(urgent=True)
    with pytest.raises(BudgetExhausted):
        one.call(urgent=True)


def test_a_call_larger_than_a_lease_gets_what_it_needs(one: Process, sql: psycopg.Connection) -> None:
    limit(sql, one, per_day=1000)
    one.call(200)
    one.call(200)
    with pytest.raises(BudgetExhausted):
        one.call(700)
    one.call(600)


def test_too_many_requests_stop_the_other_process_too(one: Process, other: Process, sql: psycopg.Connection) -> None:
    limit(sql, one, other, per_day=1000)
    other.call()
    until = datetime.now(UTC) + timedelta(minutes=10)
    one.leases.learn(one.connection_id, [Observation(remaining=0, reset_at=until, blocked=True)])
    with pytest.raises(BudgetExhausted) as refused:
        one.call()
    assert refused.value.reset_at == until

    def refuses() -> bool:
        try:
            other.call()
        except BudgetExhausted:
            return True
        return False

    wait_until(refuses, "the other process goes on")


def test_what_an_answer_says_is_left_is_kept_to(one: Process, sql: psycopg.Connection) -> None:
    limit(sql, one, per_day=1000)
    one.call()
    one.leases.learn(one.connection_id, [Observation(1000, 0, None, DAY)])
    wait_until(lambda: number(sql, "SELECT foreign_calls FROM budgets") > 900, "it was not learned")
    for _ in range(3):
        try:
            one.call()
        except BudgetExhausted:
            break
    else:
        pytest.fail("more than the two calls that were lent before were made")


def test_a_larger_limit_counts_at_once_for_processes_that_were_refused(one: Process, sql: psycopg.Connection) -> None:
    limit(sql, one, per_day=1)
    one.call()
    with pytest.raises(BudgetExhausted):
        one.call()
    clear_budgets(sql, one.connection_id)
    limit(sql, one, per_day=100)

    def goes_on() -> bool:
        try:
            one.call()
        except BudgetExhausted:
            return False
        return True

    wait_until(goes_on, "the old refusal is believed for ever")


def test_places_are_taken_in_turns_by_two_processes(one: Process, other: Process, sql: psycopg.Connection) -> None:
    limit(sql, one, other, concurrent=1)
    one.leases.draw(one.connection_id, 1, urgent=False)
    with pytest.raises(BudgetExhausted, match="at the same time"):
        other.call()
    one.leases.give_back(one.connection_id)

    def goes_on() -> bool:
        try:
            other.call()
        except BudgetExhausted:
            return False
        return True

    wait_until(goes_on, "the place is not given on")
