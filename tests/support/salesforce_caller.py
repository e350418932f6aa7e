"""A connection whose calls are written down, and a client over it, for tests that need no database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from retinue.connection import Call, Connection, Renewal
from servants.salesforce.client import Salesforce, open_client
from servants.salesforce.client.http import Limits
from tests.support.hand_clock import HandClock
from tests.support.salesforce_server import CLIENT_ID, USERNAME, SalesforceServer


@dataclass
class Learned:
    """What one call passed on."""

    status: int | None
    usage: str | None
    body: str


@dataclass
class Ledger:
    """Counts calls as a budget does: what each learned, and the errors that calls ended in."""

    learned: list[Learned] = field(default_factory=list)
    ended: list[BaseException | None] = field(default_factory=list)
    urgent: set[bool | None] = field(default_factory=set)

    @contextmanager
    def begin(self, cost: int, *, urgent: bool | None) -> Iterator[Call]:
        self.urgent.add(urgent)
        try:
            yield _Call(self)
        except BaseException as error:
            self.ended.append(error)
            raise
        self.ended.append(None)


class _Call:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def learn(self, headers: Mapping[str, str] | None = None, *, status: int | None = None, body: str = "") -> None:
        self._ledger.learned.append(Learned(status, (headers or {}).get("Sforce-Limit-Info"), body))


class Drawer:
    """Keeps the credentials of one connection in memory."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self.stored = dict(credentials)

    def renew(self, connection_id: int, renewal: Renewal) -> Mapping[str, str]:
        self.stored = dict(renewal(self.stored))
        return self.stored


@dataclass
class Desk:
    """A client, and what its tests look at."""

    client: Salesforce
    server: SalesforceServer
    ledger: Ledger
    drawer: Drawer
    clock: HandClock
    pauses: list[float]


@contextmanager
def desk(
    server: SalesforceServer,
    *,
    limits: Limits | None = None,
    credentials: Mapping[str, str] | None = None,
    **config: Any,
) -> Iterator[Desk]:
    """A client of this server; its waits pass at once."""
    given = server.credentials() if credentials is None else dict(credentials)
    ledger, drawer, clock = Ledger(), Drawer(given), HandClock()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)

    settings = {"login_url": server.url, "client_id": CLIENT_ID, "username": USERNAME} | config
    connection = Connection(7, 1, "salesforce", "org", settings, given, calls=ledger, keeper=drawer)
    with open_client(connection, limits=limits, clock=clock, pause=pause) as client:
        yield Desk(client, server, ledger, drawer, clock, pauses)


@pytest.fixture
def made(org: SalesforceServer) -> Iterator[Desk]:
    """A client of the org of `tests.support.salesforce_server`."""
    with desk(org) as opened:
        yield opened
