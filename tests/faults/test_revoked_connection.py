"""One credential of a hundred is revoked while jobs run: one incident, no further calls, and all of them run once it is
mended."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres.connections import list_connections, update_connection
from infra.postgres.incidents import list_incidents
from tests.support.caller import TYPE, connect_customer
from tests.support.factories import add_account
from tests.support.fleet import Fleet
from tests.support.provider_server import ProviderServer

CONNECTIONS, JOBS = 100, 6
REVOKED = "customer-50"


@pytest.mark.timeout(240)
def test_one_revoked_connection_of_a_hundred(calling_fleet: Fleet, server: ProviderServer) -> None:
    fleet = calling_fleet
    with psycopg.connect(fleet.machine.url, autocommit=True) as sql:
        customers = connect(fleet, server, sql)
        server.passwords[REVOKED] = "another"
        fleet.start_scheduler()
        for name in ("servant-0", "servant-1"):
            fleet.start_servant(name, TYPE)
        for _ in range(JOBS):
            fleet.enqueue(*({"connection_id": identity} for identity in customers.values()), job_type=TYPE)

        fleet.wait(lambda: fleet.finished() == (CONNECTIONS - 1) * JOBS, "the other ninety-nine")
        fleet.wait(lambda: fleet.number("SELECT count(*) FROM jobs WHERE state <> 'pending'") == 0, "the rest to park")
        (incident,) = list_incidents(sql)
        assert (incident.connection_id, incident.kind) == (customers[REVOKED], "credential")
        in_flight = server.calls[REVOKED]
        assert in_flight <= 8, "no more than the slots there are had begun when it was found out"

        fleet.enqueue(*({"connection_id": customers[REVOKED]} for _ in range(20)), job_type=TYPE)
        fleet.enqueue({"connection_id": customers["customer-1"]}, job_type=TYPE)
        fleet.wait(lambda: fleet.finished() == (CONNECTIONS - 1) * JOBS + 1, "a job of another connection")
        assert server.calls[REVOKED] == in_flight, "a parked connection was called"
        assert fleet.number("SELECT coalesce(sum(failures), 0) FROM jobs") == 0

        mend(fleet, sql, customers[REVOKED])
        fleet.wait(lambda: fleet.finished() == CONNECTIONS * JOBS + 21, "all jobs of the mended connection")
        assert list_incidents(sql) == []
        (resolved,) = list_incidents(sql, resolved=True)
        assert resolved.resolved_by is not None
        assert fleet.rows("SELECT DISTINCT state::text FROM job_history") == [("completed",)]
        assert fleet.number("SELECT count(*) FROM job_history WHERE retry_of IS NOT NULL") == 0


def connect(fleet: Fleet, server: ProviderServer, sql: psycopg.Connection) -> dict[str, int]:
    """A hundred connections by name."""
    account_id, keyring = add_account(sql), fleet.keyring()
    names = [f"customer-{n}" for n in range(CONNECTIONS)]
    return {name: connect_customer(sql, keyring, server.url, account_id=account_id, name=name) for name in names}


def mend(fleet: Fleet, sql: psycopg.Connection, connection_id: int) -> None:
    """The customer's new password arrives, by code."""
    (line,) = list_connections(sql, connection_id=connection_id)
    credentials = {"password": "another"}
    update_connection(sql, fleet.keyring(), connection_id, config=line.config, credentials=credentials)
