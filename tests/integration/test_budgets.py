"""Budgets in PostgreSQL: what is lent, what comes back, what counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.budgets import LeaseReply, LeaseRequest, declare_budgets, learn, renew_lease, show_budgets
from retinue.budget import Ask, Budget
from retinue.limits import DAY, Observation
from tests.support.factories import add_account

LEASE = 30.0


@pytest.fixture
def connection_id(sql: psycopg.Connection) -> int:
    """A connection with a budget of 1,000 a day."""
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials) "
        "VALUES (%s, 'crm', 'crm', '{}', '') RETURNING id",
        (add_account(sql),),
    ).fetchone()
    assert row is not None
    declare_budgets(sql, row[0], Budget(per_day=1000), source="declared")
    return int(row[0])


class Holder:
    """A servant that takes what it gets."""

    def __init__(self, sql: psycopg.Connection, connection_id: int, servant_id: int) -> None:
        self._sql = sql
        self._connection_id = connection_id
        self._servant_id = servant_id
        self.used = self.held = self.busy = 0

    def ask(self, wanted: int = 0, *, needed: int = 0, urgent: bool = False, places: int = 0) -> LeaseReply:
        """One exchange."""
        request = LeaseRequest(
            self._connection_id,
            self._servant_id,
            self.used,
            self.held,
            Ask(wanted, needed, urgent),
            self.busy,
            places,
            LEASE,
        )
        with self._sql.transaction():
            reply = renew_lease(self._sql, request)
        assert reply is not None
        self.held += reply.calls
        return reply

    def spend(self, calls: int = 1) -> None:
        self.held -= calls
        self.used += calls
        assert self.held >= 0


def spent(sql: psycopg.Connection, connection_id: int, window: int = DAY) -> int:
    (line,) = [line for line in show_budgets(sql, connection_id) if line.window_seconds == window]
    return line.spent


def run_out(sql: psycopg.Connection) -> None:
    sql.execute("UPDATE budget_leases SET expires_at = now() - interval '1 second'")


def spend_all(holder: Holder, *, urgent: bool = False) -> datetime | None:
    """Spend until nothing is lent; the reset."""
    while (reply := holder.ask(1, needed=1, urgent=urgent)).calls:
        holder.spend(holder.held)
    return reply.reset_at


def test_what_is_spent_counts_and_what_is_returned_does_not(sql: psycopg.Connection, connection_id: int) -> None:
    holder = Holder(sql, connection_id, 1)
    assert holder.ask(100).calls == 2
    holder.spend(1)
    holder.held = 0
    holder.ask()
    assert spent(sql, connection_id) == 1
    assert sql.execute("SELECT count(*) FROM budget_leases").fetchone() == (0,)


def test_a_limit_is_used_up_and_never_passed_by_several_servants(sql: psycopg.Connection, connection_id: int) -> None:
    holders = [Holder(sql, connection_id, n) for n in (1, 2, 3)]
    while any(holder.ask(5, needed=1).calls for holder in holders):
        for holder in holders:
            holder.spend(holder.held)
    assert sum(holder.used for holder in holders) == 1000


def test_a_lease_that_ran_out_counts_as_spent(sql: psycopg.Connection, connection_id: int) -> None:
    dead, alive = Holder(sql, connection_id, 1), Holder(sql, connection_id, 2)
    assert dead.ask(100).calls == 2
    dead.spend(1)
    run_out(sql)
    alive.ask(1)
    assert spent(sql, connection_id) == 2


def test_a_servant_that_was_thought_dead_reports_nothing_twice(sql: psycopg.Connection, connection_id: int) -> None:
    slow, other = Holder(sql, connection_id, 1), Holder(sql, connection_id, 2)
    slow.ask(100)
    slow.spend(2)
    run_out(sql)
    other.ask(1)
    slow.ask()
    assert spent(sql, connection_id) == 2


def test_a_report_whose_answer_was_lost_counts_once(sql: psycopg.Connection, connection_id: int) -> None:
    holder = Holder(sql, connection_id, 1)
    holder.ask(100)
    holder.spend(2)
    lost = holder.ask(100)
    holder.held -= lost.calls
    again = holder.ask(100)
    assert again.calls == lost.calls
    assert spent(sql, connection_id) == 2
    assert sql.execute("SELECT calls FROM budget_leases").fetchone() == (2,)


#: The newest bucket, of half an hour, began so long ago, at whatever time of the hour the test runs.
MOVED = """
UPDATE budget_usage
SET bucket_at = bucket_at - ((SELECT max(bucket_at) FROM budget_usage) - (now() - %(age)s))
"""


def test_what_is_spent_leaves_the_window_after_it_and_no_earlier(sql: psycopg.Connection, connection_id: int) -> None:
    holder = Holder(sql, connection_id, 1)
    reset_at = spend_all(holder)
    assert reset_at is not None
    sql.execute(MOVED, {"age": timedelta(hours=24, minutes=29)})
    assert holder.ask(1, needed=1).calls == 0, "a part of the bucket may be younger than a day"
    sql.execute(MOVED, {"age": timedelta(hours=24, minutes=31)})
    assert holder.ask(1, needed=1).calls == 1
    assert reset_at - datetime.now(UTC) > timedelta(hours=24)


def test_the_reserve_is_kept_for_urgent_calls(sql: psycopg.Connection, connection_id: int) -> None:
    declare_budgets(sql, connection_id, Budget(per_day=10, reserve=0.2), source="set")
    holder = Holder(sql, connection_id, 1)
    spend_all(holder)
    assert holder.used == 8
    assert holder.ask(1, needed=1).reserve_left
    spend_all(holder, urgent=True)
    assert holder.used == 10
    assert not holder.ask(1, needed=1).reserve_left


def test_places_are_shared_and_those_of_the_dead_are_freed(sql: psycopg.Connection, connection_id: int) -> None:
    declare_budgets(sql, connection_id, Budget(concurrent=4), source="set")
    first, second = Holder(sql, connection_id, 1), Holder(sql, connection_id, 2)
    assert first.ask(places=4).places == 4
    first.busy = 4
    assert second.ask(places=1).places == 0
    reply = first.ask()
    assert reply.contended
    assert reply.places == 4, "calls that go on keep their places"
    run_out(sql)
    assert second.ask(places=4).places >= 2


def test_a_block_refuses_everything_until_it_ends(sql: psycopg.Connection, connection_id: int) -> None:
    holder = Holder(sql, connection_id, 1)
    until = datetime.now(UTC) + timedelta(minutes=5)
    learn(sql, connection_id, [Observation(remaining=0, reset_at=until, blocked=True)], reason="429")
    reply = holder.ask(1, needed=1)
    assert (reply.calls, reply.blocked_until, reply.blocked_reason) == (0, until, "429")
    sql.execute("UPDATE budget_states SET blocked_until = now()")
    assert holder.ask(1, needed=1).calls == 1


def test_calls_that_others_make_are_learned_from_what_is_left(sql: psycopg.Connection, connection_id: int) -> None:
    holder = Holder(sql, connection_id, 1)
    holder.ask(2)
    holder.spend(2)
    holder.ask()
    learn(sql, connection_id, [Observation(1000, 5, None, DAY)], reason="")
    spend_all(holder)
    assert holder.used == 2 + 5


def test_a_learned_limit_counts_where_a_person_set_a_larger_one(sql: psycopg.Connection, connection_id: int) -> None:
    declare_budgets(sql, connection_id, Budget(per_day=50), source="set")
    learn(sql, connection_id, [Observation(limit=20, window_seconds=DAY)], reason="")
    holder = Holder(sql, connection_id, 1)
    spend_all(holder)
    assert holder.used == 20


def test_a_person_s_limit_outlives_a_declaration(sql: psycopg.Connection, connection_id: int) -> None:
    declare_budgets(sql, connection_id, Budget(per_day=50), source="set")
    declare_budgets(sql, connection_id, Budget(per_day=1000, per_minute=9), source="declared")
    assert [(line.window_seconds, line.call_limit) for line in show_budgets(sql, connection_id)] == [(DAY, 50), (60, 9)]


def test_a_declared_window_that_is_declared_no_more_goes(sql: psycopg.Connection, connection_id: int) -> None:
    declare_budgets(sql, connection_id, Budget(concurrent=4), source="declared")
    assert [line.window_seconds for line in show_budgets(sql, connection_id)] == [0]


def test_a_connection_without_a_budget_is_told_so(sql: psycopg.Connection) -> None:
    request = LeaseRequest(12345, 1, 0, 0, Ask(1), 0, 0, LEASE)
    with sql.transaction():
        assert renew_lease(sql, request) is None
