"""Between a job and a provider: budgets, breakers and incidents, with a real servant and a provider on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres.breakers import list_breakers
from infra.postgres.budgets import declare_budgets
from infra.postgres.connections import list_connections, mark_active, update_connection
from infra.postgres.incidents import list_incidents, request_probe
from retinue import provider as providers
from retinue.breaker import Breaker
from retinue.budget import Budget
from retinue.durations import seconds
from retinue.provider import Provider
from tests.support.caller import TYPE, caller, connect_customer
from tests.support.factories import add_account
from tests.support.provider_server import ProviderServer, provider_server
from tests.support.race import wait_until
from tests.support.runtime import House, open_house


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with provider_server() as made:
        yield made


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as made:
        yield made


class Customers:
    """Connections of one account to the double, and jobs that call over them."""

    def __init__(self, house: House, server: ProviderServer) -> None:
        self.house = house
        self.server = server
        self.account_id = add_account(house.sql)

    def connect(self, name: str, *, provider: str = "double") -> int:
        return connect_customer(
            self.house.sql,
            self.house.keyring,
            self.server.url,
            account_id=self.account_id,
            name=name,
            provider=provider,
        )

    def enqueue(self, connection_id: int, count: int = 1, *, lane: str | None = None, **payload: object) -> list[int]:
        payloads = [{"connection_id": connection_id, **payload}] * count
        lane = lane or f"connection_id:{connection_id}"
        return self.house.add(*payloads, job_type=TYPE, lane=lane, account_id=self.account_id)

    def mend(self, connection_id: int, password: str) -> None:
        (line,) = list_connections(self.house.sql, connection_id=connection_id)
        update_connection(
            self.house.sql, self.house.keyring, connection_id, config=line.config, credentials={"password": password}
        )

    def settled(self) -> bool:
        """Dispatch what may run; whether nothing is on its way."""
        self.house.dispatch()
        return self.number("SELECT count(*) FROM jobs WHERE state <> 'pending'") == 0

    def settle(self) -> None:
        """Run what may run until everything is done or held."""

        def quiet() -> bool:
            ready = self.number("SELECT count(*) FROM lane_wakes") or self.number(
                "SELECT count(*) FROM lanes WHERE ready"
            )
            return self.settled() and not ready

        wait_until(quiet, "the work did not come to rest")

    def number(self, query: str) -> int:
        row = self.house.sql.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])

    def completed(self) -> int:
        return self.number("SELECT count(*) FROM job_history WHERE state = 'completed'")

    def holds(self) -> list[tuple[str, str]]:
        """Kind and scope of what holds lanes now."""
        query = "SELECT DISTINCT kind, scope FROM lane_holds WHERE until IS NULL OR until > now() ORDER BY 1, 2"
        return [(row[0], row[1]) for row in self.house.sql.execute(query)]

    def expire_holds(self) -> None:
        """Let the time come at which all holds end and probes are due."""
        self.house.sql.execute("UPDATE breakers SET probe_at = now() WHERE probe_at IS NOT NULL")
        self.house.sql.execute("UPDATE incidents SET probe_at = now() WHERE resolved_at IS NULL")
        self.house.sql.execute("UPDATE lane_holds SET until = now()")
        self.house.sql.execute("UPDATE lanes SET held_until = now() WHERE held_until IS NOT NULL")


@pytest.fixture
def customers(house: House, server: ProviderServer) -> Customers:
    return Customers(house, server)


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declarations of providers that end with the test."""
    monkeypatch.setattr(providers, "_declared", {})


def declare_double(**rules: Breaker | Budget) -> None:
    providers._declared["double"] = Provider("double", **rules)  # type: ignore[arg-type] # each rule under its name


def test_a_refused_credential_opens_one_incident_and_its_jobs_wait_without_a_call(
    customers: Customers, server: ProviderServer
) -> None:
    broken, fine = customers.connect("a"), customers.connect("b")
    server.passwords["a"] = "other"
    customers.house.start(caller(lane_limit=1))
    customers.enqueue(broken, 20)
    customers.enqueue(fine, 20)
    wait_until(lambda: bool(customers.settled() and customers.completed() == 20), "the others did not run")
    customers.settle()

    (incident,) = list_incidents(customers.house.sql)
    assert (incident.connection_id, incident.kind, incident.reason) == (
        broken,
        "credential",
        "the password was refused",
    )
    assert server.calls["a"] == 1
    assert customers.holds() == [("incident", f"connection:{broken}")]
    assert customers.number("SELECT count(*) FROM jobs WHERE failures > 0") == 0
    (line,) = list_connections(customers.house.sql, connection_id=broken)
    assert (line.state, line.problem) == ("broken", "the password was refused")


def test_mending_the_credential_lets_one_probe_through_and_then_everything(
    customers: Customers, server: ProviderServer
) -> None:
    broken = customers.connect("a")
    server.passwords["a"] = "new"
    customers.house.start(caller(slots=4))
    customers.enqueue(broken, 30)
    wait_until(lambda: customers.settled() and bool(list_incidents(customers.house.sql)), "no incident was opened")
    customers.settle()
    before = server.calls["a"]

    server.opened.clear()
    customers.mend(broken, "new")
    wait_until(lambda: not customers.settled() and server.calls["a"] > before, "no probe was let through")
    assert server.calls["a"] == before + 1, "exactly one job is the probe"
    server.opened.set()

    wait_until(lambda: bool(customers.settled() and customers.completed() == 30), "the jobs did not go on")
    (incident,) = list_incidents(customers.house.sql, resolved=True)
    assert incident.resolved_by is not None
    assert "probe" in incident.resolved_by
    assert customers.holds() == []
    (line,) = list_connections(customers.house.sql, connection_id=broken)
    assert line.state == "active"


def test_a_probe_that_is_refused_keeps_the_incident_open_for_longer(
    customers: Customers, server: ProviderServer
) -> None:
    broken = customers.connect("a")
    server.passwords["a"] = "other"
    customers.house.start(caller(lane_limit=1))
    customers.enqueue(broken, 5)
    wait_until(lambda: customers.settled() and bool(list_incidents(customers.house.sql)), "no incident was opened")
    customers.settle()
    for probes in (1, 2):
        customers.expire_holds()
        wait_until(
            lambda n=probes: customers.settled() and list_incidents(customers.house.sql)[0].probes == n,  # type: ignore[misc] # a default binds this turn's value
            "no probe was made",
        )
        customers.settle()
    (incident,) = list_incidents(customers.house.sql)
    assert server.calls["a"] == 3
    assert incident.probe_error == "the password was refused"
    assert incident.probe_at - datetime.now(UTC) > timedelta(minutes=29)


def test_a_test_of_the_connection_resolves_its_incident(customers: Customers, server: ProviderServer) -> None:
    broken = customers.connect("a")
    server.passwords["a"] = "other"
    customers.house.start(caller(lane_limit=1))
    customers.enqueue(broken, 3)
    wait_until(lambda: customers.settled() and bool(list_incidents(customers.house.sql)), "no incident was opened")
    customers.settle()
    del server.passwords["a"]
    assert mark_active(customers.house.sql, broken) == [TYPE]
    wait_until(lambda: bool(customers.settled() and customers.completed() == 3), "the jobs did not go on")
    assert list_incidents(customers.house.sql) == []


def test_jobs_of_other_lanes_stop_at_the_gate_without_a_call(customers: Customers, server: ProviderServer) -> None:
    broken = customers.connect("a")
    server.passwords["a"] = "other"
    customers.house.start(caller(lane_limit=1))
    customers.enqueue(broken)
    wait_until(lambda: customers.settled() and bool(list_incidents(customers.house.sql)), "no incident was opened")
    customers.enqueue(broken, 5, lane="account:77")
    customers.settle()
    assert server.calls["a"] == 1
    assert customers.number("SELECT count(*) FROM lane_holds WHERE lane = 'account:77' AND kind = 'incident'") == 1
    assert customers.number("SELECT count(*) FROM incidents") == 1


def test_asking_for_a_probe_lets_the_next_job_be_it(customers: Customers, server: ProviderServer) -> None:
    broken = customers.connect("a")
    server.passwords["a"] = "other"
    customers.house.start(caller(lane_limit=1))
    customers.enqueue(broken, 3)
    wait_until(lambda: customers.settled() and bool(list_incidents(customers.house.sql)), "no incident was opened")
    customers.settle()
    del server.passwords["a"]
    assert len(request_probe(customers.house.sql, broken)) == 1
    wait_until(lambda: bool(customers.settled() and customers.completed() == 3), "the jobs did not go on")


def test_three_failures_open_the_breaker_and_nothing_is_called_or_lost_meanwhile(
    customers: Customers, server: ProviderServer, declare: None
) -> None:
    declare_double(breaker=Breaker(failures=3, within=seconds(60), probe_after=seconds(600)))
    failing = customers.connect("a")
    server.failing.add("a")
    customers.house.start(caller(lane_limit=1))
    customers.enqueue(failing, 10)
    wait_until(lambda: customers.settled() and bool(list_breakers(customers.house.sql)), "the breaker did not open")
    customers.settle()

    (breaker,) = list_breakers(customers.house.sql)
    assert (breaker.scope, breaker.state) == (f"connection:{failing}", "open")
    assert server.calls["a"] == 3
    assert customers.holds() == [("breaker", f"connection:{failing}")]

    server.failing.clear()
    customers.expire_holds()
    wait_until(lambda: bool(customers.settled() and customers.completed() == 10), "the jobs did not go on")
    assert list_breakers(customers.house.sql) == []
    assert customers.holds() == []


def test_the_breaker_s_probe_is_one_job_and_costs_it_no_attempt(
    customers: Customers, server: ProviderServer, declare: None
) -> None:
    declare_double(breaker=Breaker(failures=1, probe_after=seconds(600), longest=seconds(3000)))
    failing = customers.connect("a")
    server.failing.add("a")
    customers.house.start(caller(slots=4))
    customers.enqueue(failing)
    wait_until(lambda: customers.settled() and bool(list_breakers(customers.house.sql)), "the breaker did not open")
    customers.settle()
    customers.enqueue(failing, 9)
    failures = customers.number("SELECT sum(failures) FROM jobs")

    customers.expire_holds()
    wait_until(lambda: customers.settled() and list_breakers(customers.house.sql)[0].openings == 2, "no probe was made")
    customers.settle()
    assert server.calls["a"] == 2
    assert customers.number("SELECT sum(failures) FROM jobs") == failures
    (breaker,) = list_breakers(customers.house.sql)
    assert breaker.probe_at - datetime.now(UTC) > timedelta(seconds=1100)


def test_a_provider_s_breaker_keeps_all_its_connections_away(
    customers: Customers, server: ProviderServer, declare: None
) -> None:
    declare_double(breaker=Breaker(failures=100), shared_breaker=Breaker(failures=2, probe_after=seconds(600)))
    down = [customers.connect(name) for name in "abcd"]
    server.failing.update("abcd")
    customers.house.start(caller(slots=1))
    for connection_id in down:
        customers.enqueue(connection_id, 3)
    customers.settle()
    assert server.total == 2
    assert customers.holds() == [("breaker", "provider:double")]
    server.failing.clear()
    customers.expire_holds()
    wait_until(lambda: bool(customers.settled() and customers.completed() == 12), "the jobs did not go on")


def test_an_exhausted_budget_holds_all_lanes_of_its_connection_and_costs_no_attempt(
    customers: Customers, server: ProviderServer
) -> None:
    small, free = customers.connect("a"), customers.connect("b")
    declare_budgets(customers.house.sql, small, Budget(per_day=5), source="set")
    customers.house.start(caller())
    # More in each lane than the budget has: something is left in both.
    customers.enqueue(small, 12)
    customers.enqueue(small, 6, lane="account:77")
    customers.enqueue(free, 10)
    wait_until(lambda: bool(customers.settled() and customers.completed() == 15), "what may run did not")
    customers.settle()
    assert (server.calls["a"], server.calls["b"]) == (5, 10)
    assert customers.holds() == [("budget", f"connection:{small}")]
    held = "SELECT count(*) FROM lane_holds WHERE until > now() + interval '23 hours'"
    wait_until(lambda: customers.number(held) == 2, "a lane was not held until calls leave the day")
    assert customers.number("SELECT coalesce(sum(failures), 0) FROM jobs") == 0


def test_urgent_calls_use_the_reserve(customers: Customers, server: ProviderServer) -> None:
    small = customers.connect("a")
    declare_budgets(customers.house.sql, small, Budget(per_day=10, reserve=0.3), source="set")
    customers.house.start(caller())
    customers.enqueue(small, 10)
    wait_until(lambda: bool(customers.settled() and customers.completed() == 7), "what may run did not")
    customers.settle()
    customers.enqueue(small, 2, urgent=True, lane="account:77")
    wait_until(lambda: bool(customers.settled() and customers.completed() == 9), "the urgent ones did not run")
    assert server.calls["a"] == 9


def test_too_many_requests_hold_the_connection_until_retry_after(customers: Customers, server: ProviderServer) -> None:
    limited = customers.connect("a")
    server.answers["a"] = (429, {"Retry-After": "3600"})
    customers.house.start(caller(lane_limit=1))
    customers.enqueue(limited, 5)
    customers.enqueue(limited, 5, lane="account:77")
    wait_until(lambda: customers.settled() and bool(customers.holds()), "nothing was held")
    customers.settle()
    assert server.calls["a"] <= 2, "one in flight in each lane at most"
    assert customers.holds() == [("budget", f"connection:{limited}")]
    held = "SELECT count(*) FROM lane_holds WHERE until - now() BETWEEN interval '50 minutes' AND interval '1 hour'"
    assert customers.number(held) == 2
    assert customers.number("SELECT coalesce(sum(failures), 0) FROM jobs") == 0


def test_no_more_calls_at_the_same_time_than_allowed(customers: Customers, server: ProviderServer) -> None:
    narrow = customers.connect("a")
    declare_budgets(customers.house.sql, narrow, Budget(concurrent=2), source="set")
    customers.house.start(caller(slots=6))
    customers.enqueue(narrow, 40)
    wait_until(lambda: bool(customers.settled() and customers.completed() == 40), "the jobs did not finish")
    assert server.most_at_once <= 2


def test_a_drained_servant_gives_back_what_it_was_lent(customers: Customers) -> None:
    plain = customers.connect("a")
    declare_budgets(customers.house.sql, plain, Budget(per_day=100_000), source="set")
    process = customers.house.start(caller())
    customers.enqueue(plain, 5)
    wait_until(lambda: bool(customers.settled() and customers.completed() == 5), "the jobs did not finish")
    process.drain()
    assert customers.number("SELECT count(*) FROM budget_leases") == 0
    assert customers.number("SELECT sum(calls) FROM budget_usage") == 5
