"""A `calendar.sync` job for tests: the real handler and statements on a real database, without queue and fence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from infra.postgres.connect import Database
from retinue import Completed, Connection, Job
from retinue.groups import Group
from retinue.job import JobFacts
from servants.calendar import CalendarSync, sync_calendar
from tests.support.radicale_server import Hand


class PlainCommit:
    """A transaction whose checkpoint is kept by the account under test."""

    def __init__(self, connection: psycopg.Connection, checkpoints: list[Any]) -> None:
        self.connection = connection
        self._checkpoints = checkpoints

    def execute(self, query: Any, params: Any = None) -> psycopg.Cursor[Any]:
        return self.connection.execute(query, params)

    def checkpoint(self, value: Any) -> None:
        self._checkpoints.append(json.loads(json.dumps(value)))

    def complete(self, outcome: Completed) -> None:
        raise AssertionError("calendar.sync leaves completing to the runtime")

    def group(self, children: Iterable[Any] = (), *, name: str, **rules: Any) -> Group:
        raise AssertionError("calendar.sync makes no groups")


@dataclass
class CalendarAccount:
    """An account with one CalDAV connection, whose calendars tests sync again and again."""

    database: Database
    connection_value: Connection
    commits: int = 0
    anomalies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    checkpoints: list[Any] = field(default_factory=list)
    jobs: list[Job[CalendarSync]] = field(default_factory=list)

    def sync(self, *, recent_only: bool = False) -> dict[str, Any]:
        """Run the handler once, from the last checkpoint; its result."""
        checkpoint = self.checkpoints[-1] if self.checkpoints else None
        account_id = self.connection_value.account_id
        facts = JobFacts(1, "calendar.sync", 1, account_id, "connection_id:1", 0, checkpoint, None, None)
        job = Job(facts, CalendarSync(connection_id=self.connection_value.id, recent_only=recent_only), self)
        self.jobs.append(job)
        outcome = sync_calendar(job)
        assert isinstance(outcome, Completed)
        return dict(outcome.result or {})

    @contextmanager
    def commit(self, job: Job[Any]) -> Iterator[PlainCommit]:
        saved: list[Any] = []
        with self.database.transaction() as connection:
            yield PlainCommit(connection, saved)
        self.checkpoints += saved
        self.commits += 1

    def connection(self, job: Job[Any], connection_id: int) -> Connection:
        assert connection_id == self.connection_value.id
        return self.connection_value

    def anomaly(self, job: Job[Any], name: str, fields: Mapping[str, Any]) -> None:
        self.anomalies.append((name, dict(fields)))


def calendar_account(database: Database, *, url: str, username: str, password: str) -> CalendarAccount:
    """An account and a CalDAV connection, made in the database."""
    config = {"url": url, "username": username}
    with database.transaction() as tx:
        account = tx.execute("INSERT INTO accounts (name) VALUES (%s) RETURNING id", (username,)).fetchone()
        assert account is not None
        made = tx.execute(
            "INSERT INTO connections (account_id, provider, name, config, credentials)"
            " VALUES (%s, 'caldav', %s, %s, %s) RETURNING id",
            (account[0], username, json.dumps(config), b"sealed"),
        ).fetchone()
        assert made is not None
    return CalendarAccount(
        database, Connection(made[0], account[0], "caldav", username, config, {"password": password})
    )


@pytest.fixture
def account(database: Database, hand: Hand) -> CalendarAccount:
    """An account of the user whose calendars the test changes."""
    return calendar_account(database, url=hand.base_url, username=hand.username, password=hand.password)
