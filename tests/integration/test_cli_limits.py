"""`retinue incidents`, `breakers` and `connections budget`."""

from __future__ import annotations

import psycopg
import pytest

from cli.environment import current_settings
from infra.doctor.providers import breakers
from infra.keys import Key
from infra.postgres.breakers import Attempt, record_failure
from infra.postgres.connect import Database
from infra.postgres.connections import NewConnection, add_connection
from infra.postgres.overview import OverviewReader
from infra.secrets import Keyring
from manager.problems import find_troubles
from retinue.breaker import Breaker
from retinue.outcomes import Park
from tests.support.command_line import CommandLine, bare_environment, retinue
from tests.support.factories import add_account, add_servant, run_jobs, settle_one

__all__ = ["bare_environment", "retinue"]


@pytest.fixture
def connection_id(sql: psycopg.Connection) -> int:
    new = NewConnection(
        account_id=add_account(sql, "Kestrel"), provider="crm", name="main", config={}, credentials={"password": "x"}
    )
    return add_connection(sql, Keyring(Key("k1", bytes(32))), new)


@pytest.fixture
def incident(sql: psycopg.Connection, connection_id: int) -> int:
    """An open incident of the connection."""
    add_servant(sql)
    (held,) = run_jobs(sql, lane=f"connection_id:{connection_id}")
    settle_one(sql, held, Park("the token was revoked", connection_id=connection_id))
    row = sql.execute("SELECT id FROM incidents").fetchone()
    assert row is not None
    return int(row[0])


def test_an_incident_is_listed_and_shown(retinue: CommandLine, connection_id: int, incident: int) -> None:
    (listed,) = retinue.json("incidents", "list")["incidents"]
    assert (listed["id"], listed["connection_id"], listed["kind"]) == (incident, connection_id, "credential")
    assert listed["lanes"] == 1
    shown = retinue.say("incidents", "show", incident)
    assert "the token was revoked" in shown
    assert "Next probe" in shown


def test_a_probe_is_asked_for(retinue: CommandLine, sql: psycopg.Connection, incident: int) -> None:
    assert retinue.json("incidents", "probe", incident) == {"incident_id": incident, "probing": True}
    assert sql.execute("SELECT probe_at <= now() FROM incidents").fetchone() == (True,)
    assert sql.execute("SELECT count(*) FROM lane_holds").fetchone() == (0,)


def test_without_incidents_and_breakers_it_says_so(retinue: CommandLine) -> None:
    assert retinue.say("incidents", "list") == "No incident is open.\n"
    assert retinue.say("breakers") == "Every breaker is closed.\n"


def test_an_open_breaker_is_listed(retinue: CommandLine, sql: psycopg.Connection, connection_id: int) -> None:
    with sql.transaction():
        record_failure(
            sql, f"connection:{connection_id}", Breaker(failures=1), attempt=Attempt(1, 1), reason="the server is down"
        )
    (listed,) = retinue.json("breakers")["breakers"]
    assert (listed["scope"], listed["state"]) == (f"connection:{connection_id}", "open")
    assert "the server is down" in retinue.say("breakers")


def test_doctor_and_overview_tell_whose_breaker_is_open_and_what_helps(
    retinue: CommandLine, database: Database, sql: psycopg.Connection, connection_id: int
) -> None:
    for scope in (f"connection:{connection_id}", "provider:crm"):
        with sql.transaction():
            record_failure(sql, scope, Breaker(failures=1), attempt=Attempt(1, 1), reason="the server is down")
    named = f"crm main of Kestrel (connection {connection_id})"
    of_connection, of_provider = breakers(sql, current_settings())
    assert of_connection.sentence.startswith(f"{named} kept failing and is left alone until ")
    assert f"`retinue connections test {connection_id}`" in of_connection.mend
    assert of_provider.sentence.startswith("provider:crm kept failing")
    first, second = find_troubles(OverviewReader(database).read())
    assert first.message.startswith(f"The breaker of {named} is open")
    assert first.message.endswith(f": retinue connections test {connection_id}")
    assert second.message.startswith("The breaker of provider:crm is open")


def test_doctor_and_overview_tell_of_an_incident(database: Database, connection_id: int, incident: int) -> None:
    (row,) = OverviewReader(database).read().incidents
    assert (row.id, row.connection_id, row.account_name) == (incident, connection_id, "Kestrel")
    (problem,) = find_troubles(OverviewReader(database).read())
    assert problem.code == "incident_open"


def test_a_budget_is_set_shown_and_cleared(retinue: CommandLine, connection_id: int) -> None:
    assert "not limited" in retinue.say("connections", "budget", connection_id)
    told = retinue.json(
        "connections", "budget", connection_id, "--per-day", 1000, "--concurrent", 4, "--reserve", "0.1"
    )
    assert [(line["window_seconds"], line["call_limit"], line["source"]) for line in told["windows"]] == [
        (86_400, 1000, "set"),
        (0, 4, "set"),
    ]
    assert "1000" in retinue.say("connections", "budget", connection_id)
    reserved = retinue.json("connections", "budget", connection_id, "--reserve", "0.25")["windows"]
    assert [line["reserve"] for line in reserved] == [0.25, 0.25]
    assert retinue.json("connections", "budget", connection_id, "--clear")["windows"] == []


def test_a_reserve_that_is_no_number_is_refused(retinue: CommandLine, connection_id: int) -> None:
    command = ("connections", "budget", connection_id, "--per-day", 10, "--reserve", "nan")
    assert "0 <= reserve < 1" in retinue.refusal(*command, exit_code=2)


def test_a_reserve_of_nothing_is_refused(retinue: CommandLine, connection_id: int) -> None:
    assert "no limit to reserve" in retinue.refusal(
        "connections", "budget", connection_id, "--reserve", "0.25", exit_code=2
    )
