"""The manager's application, served on a port of its own for as long as a test needs it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import psycopg
from flask import Flask
from flask.testing import FlaskClient
from psycopg.conninfo import conninfo_to_dict
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import TestResponse

from infra.passwords import hash_password
from infra.postgres import people
from infra.postgres.account_database import AccountDatabase
from infra.postgres.connect import Database
from infra.queues.transport import Message, QueueDepth, Queues, QueueUnreachable, SendResult
from infra.roles import Role
from infra.settings import Settings
from manager.app import create_app
from retinue.clock import Clock
from retinue.errors import NotAllowed
from servants.salesforce.client.web_flow import WebFlow
from tests.support.manager_database import as_manager
from tests.support.quick_apps import share_templates

USER, PASSWORD = "operator", "a long one for tests"


def manager_settings(**given: Any) -> Settings:
    """Settings for a manager that nothing else needs, deaf to the environment's `.env`."""
    return Settings(_env_file=None, **{"manager_user": USER, "manager_password": PASSWORD, **given})


@dataclass
class StubQueues:
    """Queues that only say whether they are there: `away` names the types whose queue is not."""

    away: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def depth(self, job_type: str) -> QueueDepth:
        self.asked.append(job_type)
        if job_type in self.away:
            raise QueueUnreachable(f"no answer from http://10.1.2.3:4566/{job_type}")
        return QueueDepth(0, 0, 0)

    def ensure(self, job_type: str) -> None:
        raise NotImplementedError

    def send(self, job_type: str, batches: Sequence[Sequence[int]]) -> SendResult:
        raise NotImplementedError

    def receive(self, job_type: str, *, max_messages: int, wait_seconds: int) -> list[Message]:
        raise NotImplementedError

    def delete(self, job_type: str, messages: Sequence[Message]) -> None:
        raise NotImplementedError

    def release(self, job_type: str, messages: Sequence[Message]) -> None:
        raise NotImplementedError

    def reject(self, job_type: str, message: Message, reason: str) -> None:
        raise NotImplementedError

    @property
    def calls(self) -> Mapping[str, int]:
        return {}

    def interrupt(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name Werkzeug gave it
        """The application logs its requests itself."""


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The address at which `app` answers, on this machine alone."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        hub = app.extensions.get("live")
        # Other servers of tests have none.
        if hub is not None:
            hub.close()
        server.server_close()
        thread.join()


class AwayDatabase(Database):
    """A database from which nothing comes but `error`; without one, what comes from the one behind it."""

    def __init__(self, error: Exception | None, behind: Database | None = None) -> None:
        self.error = error
        self._behind = None if behind is None else as_manager(behind)
        self.url = "postgresql://nobody@127.0.0.1:1/none" if self._behind is None else self._behind.url
        self.logins = getattr(self._behind, "logins", {})

    @contextmanager
    def _lend(self) -> Iterator[psycopg.Connection]:
        if self.error is not None:
            raise self.error
        assert self._behind is not None
        with self._behind._lend() as connection:
            yield connection


class FailingDatabase(Database):
    """A database that fails once with `next_error`, and works before and after."""

    def __init__(self, behind: Database) -> None:
        self._behind = as_manager(behind)
        self.url = self._behind.url
        self.logins = getattr(self._behind, "logins", {})
        self.next_error: Exception | None = None

    @contextmanager
    def _lend(self) -> Iterator[psycopg.Connection]:
        error, self.next_error = self.next_error, None
        if error is not None:
            raise error
        with self._behind._lend() as connection:
            yield connection


def manager_app(database: Database, *, queues: Queues | None = None, clock: Clock | None = None, **given: Any) -> Flask:
    """The application on this database, as the operators' role; `given` are settings."""
    entered = as_manager(database)
    # As another role it would prove nothing about what the manager may do; `nobody` is one that is away for good.
    assert str(conninfo_to_dict(entered.url)["user"]).startswith(("retinue_operator_of_", "nobody")), entered.url
    accounts = AccountDatabase(getattr(entered, "logins", {}), application_name="retinue-manager")
    app = create_app(
        manager_settings(**given),
        database=entered,
        accounts=accounts,
        queues=queues or StubQueues(),
        sign_in_to_org=WebFlow,
        clock=clock,
    )
    app.extensions |= {"test_database": database, "test_accounts": accounts}
    return share_templates(app)


def signed_in(app: Flask, role: Role | None = None) -> FlaskClient:
    """A client whose person has signed in: the settings' user, or one named for the role."""
    client = app.test_client()
    name = USER
    if role is not None:
        name = f"a {role}"
        add_person(app.extensions["test_database"], name, role)
    answer = submit(client, "/sign-in", user=name, password=PASSWORD)
    assert answer.status_code == 303
    return client


def add_person(database: Database, name: str, role: Role) -> None:
    """Somebody who signs in with `PASSWORD`; nothing where there is such a person already."""
    with suppress(NotAllowed), database.transaction() as connection:
        people.add_person(connection, name, role, password_hash=_hashed())


@cache
def _hashed() -> str:
    return hash_password(PASSWORD, name=USER)


def submit(client: FlaskClient, path: str, **form: str) -> TestResponse:
    """Send a form as a page's own button does: with the token of the client's session."""
    return submit_with(client, path, {}, **form)


def submit_with(client: FlaskClient, path: str, headers: Mapping[str, str], **form: str) -> TestResponse:
    """The same with such headers."""
    return client.post(path, data={"csrf_token": form_token(client), **form}, headers=dict(headers))


def form_token(client: FlaskClient) -> str:
    """The token that the forms of this client's pages carry."""
    return token_in(client.get("/sign-in", follow_redirects=True).text)


def seen_in(page: str) -> str:
    """What the page's form says that it was made from."""
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found, page
    return found[1]


def token_in(page: str) -> str:
    """The token that this page's forms carry."""
    found = re.search(r'name="(?:csrf_token" value|csrf" content)="([^"]+)"', page)
    assert found, page
    return found[1]
