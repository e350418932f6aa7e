"""A day's budget shared by four servants that are killed at random: never passed, and used up."""

from __future__ import annotations

import os
import random

import psycopg
import pytest

from infra.postgres.budgets import declare_budgets
from retinue.budget import Budget
from tests.support.caller import TYPE, connect_customer
from tests.support.factories import add_account
from tests.support.fleet import Fleet
from tests.support.provider_server import ProviderServer

SERVANTS = [f"servant-{n}" for n in range(4)]


@pytest.mark.timeout(240)
def test_a_budget_is_never_passed_and_nearly_used_up_through_kills(
    calling_fleet: Fleet, server: ProviderServer
) -> None:
    spend_with_kills(calling_fleet, server, seed=1, kills=3, limit=400)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(int(os.environ.get("RETINUE_PROOF_SEEDS", "3"))))
def test_a_thousand_calls_a_day_shared_by_four_servants(
    calling_fleet: Fleet, server: ProviderServer, seed: int
) -> None:
    spend_with_kills(calling_fleet, server, seed=seed, kills=8, limit=1000)


def spend_with_kills(fleet: Fleet, server: ProviderServer, *, seed: int, kills: int, limit: int) -> None:
    """Offer more work than the budget allows; kill a servant at each of some moments, chosen by the calls made."""
    chance = random.Random(seed)  # noqa: S311 - a seeded order of faults, no secret
    connection_id = connect(fleet, server, limit=limit)
    fleet.start_scheduler()
    for name in SERVANTS:
        fleet.start_servant(name, TYPE)
    fleet.enqueue(*({"connection_id": connection_id} for _ in range(limit + 200)), job_type=TYPE)

    for calls in sorted(chance.sample(range(20, limit - 20), kills)):
        fleet.wait(lambda calls=calls: server.total >= calls, f"{calls} calls (seed {seed})")  # type: ignore[misc] # a lambda's default keeps this turn's value
        victim = chance.choice(SERVANTS)
        fleet.kill(victim)
        fleet.restart(victim)

    fleet.wait(lambda: is_spent(fleet, limit), f"the budget to be spent (seed {seed}), {server.total} calls were made")
    told = f"seed {seed}: {server.total} calls with {kills} kills"
    assert server.total <= limit, told
    assert server.total >= limit * 0.98, told
    assert_nothing_lost(fleet, limit)


def is_spent(fleet: Fleet, limit: int) -> bool:
    """Whether everything is counted, what the killed held came back, and the lane waits for the reset."""
    spent = fleet.number("SELECT coalesce(sum(calls), 0) FROM budget_usage")
    lent = fleet.number("SELECT coalesce(sum(calls), 0) FROM budget_leases")
    running = fleet.number("SELECT count(*) FROM jobs WHERE state <> 'pending'")
    held = fleet.number("SELECT count(*) FROM lane_holds WHERE kind = 'budget' AND until > now() + interval '23 hours'")
    assert spent + lent <= limit
    return (spent, lent, running, held) == (limit, 0, 0, 1)


def assert_nothing_lost(fleet: Fleet, limit: int) -> None:
    completed = fleet.number("SELECT count(*) FROM job_history WHERE state = 'completed'")
    assert completed + fleet.number("SELECT count(*) FROM jobs") == limit + 200
    assert fleet.number("SELECT coalesce(sum(failures), 0) FROM jobs") == 0, "waiting for the budget cost an attempt"


def connect(fleet: Fleet, server: ProviderServer, *, limit: int) -> int:
    """A customer with a budget of so many calls a day; account 1."""
    keyring = fleet.keyring()
    with psycopg.connect(fleet.machine.url, autocommit=True) as sql:
        account_id = add_account(sql)
        connection_id = connect_customer(sql, keyring, server.url, account_id=account_id, name="busy")
        declare_budgets(sql, connection_id, Budget(per_day=limit), source="set")
    assert account_id == 1
    return connection_id
