"""A manager whose database holds one of everything, and tokens for its API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from infra.postgres.anomaly_sightings import Sighting, kind_of, sample_of, write_sightings
from infra.postgres.api_tokens import add_token
from infra.postgres.breakers import Attempt
from infra.postgres.budgets import declare_budgets
from infra.postgres.connect import Database
from infra.postgres.enqueue import NewJob
from infra.postgres.groups import enqueue_group
from infra.postgres.incidents import list_incidents, open_incident
from infra.roles import Role
from manager.api.problems import MEDIA_TYPE, PREFIX
from retinue.budget import Budget
from retinue.outcomes import Fail
from retinue.testing.lent_database import LentDatabase
from scheduler.anomalies import Anomalies
from tests.support.factories import ECHO, add_account, add_jobs, add_schedule, add_servant, run_jobs, settle_one
from tests.support.lanes import fold
from tests.support.manager_database import OwnerDatabase
from tests.support.manager_server import manager_app

__all__ = ["api_site"]


@dataclass(frozen=True)
class ApiSite:
    """The application, its database, a token of each role, and what there is by the name of its path parameter."""

    app: Flask
    database: Database
    sql: psycopg.Connection
    tokens: Mapping[Role, str]
    own_token: str
    known: Mapping[str, int | str]

    def ask(self, method: str, path: str, *, token: str | None = None, **given: Any) -> TestResponse:
        """Send a request below the API's prefix, as an operator unless another token is given; "" for none."""
        token = self.tokens[Role.OPERATOR] if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.app.test_client().open(PREFIX + path, method=method, headers=headers, **given)

    def get(self, path: str, **query: Any) -> Any:
        """What a GET answers, which must be what was asked for."""
        given: dict[str, Any] = {"query_string": {name: _text(value) for name, value in query.items()}} if query else {}
        found = self.ask("GET", path, **given)
        assert found.status_code == 200, found.text
        return found.json

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """What an action answers that must succeed."""
        found = self.ask(method, path, json=body) if body is not None else self.ask(method, path)
        assert found.status_code in (200, 202), found.text
        return found.json

    def refused(self, method: str, path: str, **given: Any) -> tuple[int, str]:
        """The status of a problem, and its sentence."""
        found = self.ask(method, path, **given)
        assert found.mimetype == MEDIA_TYPE, found.text
        told = json.loads(found.text)
        assert told["status"] == found.status_code
        return found.status_code, told["detail"]


@pytest.fixture(scope="module")
def api_site(lent_database: LentDatabase) -> Iterator[ApiSite]:
    """One for all tests of a file."""
    with ExitStack() as stack:
        url = stack.enter_context(lent_database.server.fresh_database(lent_database.template))
        database = OwnerDatabase(url, application_name="tests", max_connections=4)
        stack.callback(database.close)
        sql = stack.enter_context(psycopg.connect(url, autocommit=True))
        yield _site(database, sql)


def _site(database: Database, sql: psycopg.Connection) -> ApiSite:
    known = fill(database, sql)
    account = int(known["account_id"])
    tokens = {role: _token(database, role) for role in Role}
    own = _token(database, Role.OPERATOR, account_id=account)
    return ApiSite(manager_app(database), database, sql, tokens, own, known)


def fill(database: Database, sql: psycopg.Connection) -> dict[str, int | str]:
    """One of everything, and two where lists are to have a second page; what there is, by its path parameter."""
    account, _other = add_account(sql, "acme"), add_account(sql, "globex")
    servant = add_servant(sql)
    connections = [_connection(sql, account, name) for name in ("main", "second")]
    failed, waiting = _jobs(sql, account, servant)
    add_jobs(sql, 2, lane=f"connection_id:{connections[0]}", account_id=account)
    fold(sql)
    for connection_id in connections:
        open_incident(sql, connection_id, kind="credential", reason="login refused", attempt=Attempt(failed, 1))
    incident = list_incidents(sql, connection_id=connections[0])[0]
    _budget(sql, connections[0])
    groups = [_group(sql, account) for _ in range(2)]
    return {
        "account_id": account,
        "connection_id": connections[0],
        "job_id": waiting,
        "attempt": 1,
        "group_id": groups[0],
        "servant_id": servant,
        "schedule_id": _schedules(sql, account, connections[0]),
        "incident_id": incident.id,
        "fingerprint": incident.fingerprint,
        "anomaly_id": _anomaly(database, sql, account, failed),
        "type": ECHO,
        "failed_id": failed,
    }


def _connection(sql: psycopg.Connection, account_id: int, name: str) -> int:
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, 'imap', %s, '{}', '') RETURNING id",
        (account_id, name),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _jobs(sql: psycopg.Connection, account_id: int, servant_id: int) -> tuple[int, int]:
    """A job that failed, and the first of three that wait."""
    lane = f"account:{account_id}"
    (held,) = run_jobs(sql, lane=lane, servant_id=servant_id)
    sql.execute("UPDATE jobs SET account_id = %s WHERE id = %s", (account_id, held.id))
    settle_one(sql, held, Fail("the server said no", "PermanentError"))
    waiting = add_jobs(sql, 3, lane=lane, account_id=account_id)
    return held.id, waiting[0]


def _group(sql: psycopg.Connection, account_id: int) -> int:
    with sql.transaction():
        made = enqueue_group(sql, [NewJob(type=ECHO, payload={"message": "hello"})], name="two", account_id=account_id)
    return made.id


def _budget(sql: psycopg.Connection, connection_id: int) -> None:
    declare_budgets(sql, connection_id, Budget(per_day=1000), source="declared")


def _schedules(sql: psycopg.Connection, account_id: int, connection_id: int) -> int:
    add_schedule(sql, "another", account_id=account_id, lane=f"account:{account_id}")
    return add_schedule(sql, account_id=account_id, payload={"message": "hello"}, lane=f"connection_id:{connection_id}")


def _anomaly(database: Database, sql: psycopg.Connection, account_id: int, job_id: int) -> int:
    fields = {"reason": "a row is odd"}
    fingerprint, said = kind_of(ECHO, "row_odd", fields)
    family, _ = kind_of(ECHO, "row_odd", {})
    seen = Sighting(fingerprint, family, ECHO, "row_odd", said, account_id, None, job_id, sample_of(fields), 3)
    write_sightings(sql, [seen])
    Anomalies(database).run_once()
    row = sql.execute("SELECT id FROM anomalies").fetchone()
    assert row is not None
    return int(row[0])


def _token(database: Database, role: Role, *, account_id: int | None = None) -> str:
    with database.transaction() as connection:
        name = f"a {role}" if account_id is None else f"a {role} of {account_id}"
        _, secret = add_token(connection, name, role, created_by="tests", account_id=account_id)
    return secret


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
