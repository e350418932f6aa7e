"""Holds stand for what is there: none outlives its obstacle, and a dead probe is replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres import breakers, incidents
from infra.postgres.breakers import Attempt, record_failure
from infra.postgres.incidents import list_incidents, resolve_incidents
from retinue.breaker import Breaker
from retinue.errors import BudgetExhausted, LaneBlocked, PermissionWithdrawn
from retinue.holds import Hold, HoldKind
from retinue.outcomes import Blocked, Park
from retinue.settlement import outcome_of
from tests.support.factories import add_account, add_servant, expire_leases, run_jobs, settle_one

LATER = datetime(2099, 1, 1, tzinfo=UTC)
ONE_FAILURE = Breaker(failures=1)


@pytest.fixture
def connection_id(sql: psycopg.Connection) -> int:
    add_servant(sql)
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials) "
        "VALUES (%s, 'crm', 'crm', '{}', '') RETURNING id",
        (add_account(sql),),
    ).fetchone()
    assert row is not None
    return int(row[0])


def holds(sql: psycopg.Connection) -> list[tuple[str, str, str]]:
    rows = sql.execute("SELECT lane, kind, scope FROM lane_holds ORDER BY 1, 2, 3").fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def open_breaker(sql: psycopg.Connection, scope: str) -> None:
    with sql.transaction():
        record_failure(sql, scope, ONE_FAILURE, attempt=Attempt(0, 0), reason="down")
    sql.execute("UPDATE breakers SET probe_at = now()")


def test_what_blocks_a_lane_is_no_failure() -> None:
    hold = Hold(HoldKind.BREAKER, "provider:crm", LATER, "down")
    assert outcome_of(LaneBlocked(hold=hold)) == Blocked(hold)
    assert outcome_of(BudgetExhausted("spent", reset_at=LATER, hold=hold)) == Blocked(hold)
    assert outcome_of(PermissionWithdrawn("no scope")) == Park("no scope", "PermissionWithdrawn", "permission")


def test_a_job_that_met_a_breaker_which_closed_meanwhile_holds_nothing(
    sql: psycopg.Connection, connection_id: int
) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Blocked(Hold(HoldKind.BREAKER, f"connection:{connection_id}", LATER, "down")))
    assert holds(sql) == []


def test_a_job_that_met_an_incident_which_was_resolved_meanwhile_holds_nothing(
    sql: psycopg.Connection, connection_id: int
) -> None:
    first, second = run_jobs(sql, 2)
    settle_one(sql, first, Park("refused", connection_id=connection_id))
    assert holds(sql) == [("account:1", "incident", f"connection:{connection_id}")]
    with sql.transaction():
        assert resolve_incidents(sql, connection_id, by="a test") == [("system.echo", "account:1")]
    settle_one(sql, second, Blocked(Hold(HoldKind.INCIDENT, f"connection:{connection_id}", LATER, "refused")))
    assert holds(sql) == []


def test_fifty_jobs_open_one_incident(sql: psycopg.Connection, connection_id: int) -> None:
    for held in run_jobs(sql, 50):
        settle_one(sql, held, Park("refused", connection_id=connection_id))
    (incident,) = list_incidents(sql)
    assert incident.probes == 0, "only a probe's failure counts as one"


def test_each_kind_has_an_incident_of_its_own(sql: psycopg.Connection, connection_id: int) -> None:
    first, second = run_jobs(sql, 2)
    settle_one(sql, first, Park("refused", connection_id=connection_id))
    settle_one(sql, second, Park("no scope", "PermissionWithdrawn", "permission", connection_id))
    assert {incident.kind for incident in list_incidents(sql)} == {"credential", "permission"}


def test_a_refusal_of_credentials_that_were_changed_meanwhile_is_looked_at_at_once(
    sql: psycopg.Connection, connection_id: int
) -> None:
    (held,) = run_jobs(sql)
    sql.execute("UPDATE connections SET updated_at = clock_timestamp()")
    settle_one(sql, held, Park("refused", connection_id=connection_id))
    (incident,) = list_incidents(sql)
    assert incident.probe_at - incident.opened_at == timedelta(0)


def test_without_a_connection_the_lane_waits_for_a_person(sql: psycopg.Connection, connection_id: int) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held, Park("refused"))
    assert holds(sql) == [("account:1", "incident", "")]
    assert list_incidents(sql) == []


def test_a_breaker_has_one_probe_until_that_has_died(sql: psycopg.Connection, connection_id: int) -> None:
    first, second = run_jobs(sql, 2)
    scope = f"connection:{connection_id}"
    open_breaker(sql, scope)
    with sql.transaction():
        assert breakers.take_probe(sql, scope, Attempt(first.id, first.attempt))
        assert not breakers.take_probe(sql, scope, Attempt(second.id, second.attempt))
    settle_one(sql, first, Blocked(Hold(HoldKind.BUDGET, scope, LATER, "spent")))
    with sql.transaction():
        assert breakers.take_probe(sql, scope, Attempt(second.id, second.attempt))
        assert not breakers.close_breaker(sql, scope, Attempt(first.id, first.attempt)), "it is no longer the probe"
        assert breakers.close_breaker(sql, scope, Attempt(second.id, second.attempt))


def test_an_incident_has_one_probe_until_that_has_died(sql: psycopg.Connection, connection_id: int) -> None:
    broken, first, second = run_jobs(sql, 3)
    settle_one(sql, broken, Park("refused", connection_id=connection_id))
    (incident,) = list_incidents(sql)
    with sql.transaction():
        assert not incidents.take_probe(sql, incident.id, Attempt(first.id, first.attempt)), "it is not time"
    sql.execute("UPDATE incidents SET probe_at = now()")
    with sql.transaction():
        assert incidents.take_probe(sql, incident.id, Attempt(first.id, first.attempt))
        assert not incidents.take_probe(sql, incident.id, Attempt(second.id, second.attempt))
    expire_leases(sql, [first.id])
    sql.execute(
        "UPDATE jobs SET state = 'pending', reason = 'rescue', servant_id = NULL, lease_until = NULL WHERE id = %s",
        (first.id,),
    )
    with sql.transaction():
        assert incidents.take_probe(sql, incident.id, Attempt(second.id, second.attempt))
