"""The manager's application, served on a port of its own for as long as a test needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import WSGIRequestHandler, make_server

from infra.postgres.connect import Database
from infra.queues.transport import Message, QueueDepth, Queues, QueueUnreachable, SendResult
from infra.settings import Settings
from manager.app import create_app
from retinue.clock import Clock
from tests.support.chromium import Page

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
        server.server_close()
        thread.join()


def sign_in(page: Page, address: str) -> None:
    """Sign in as a person does; ends on the overview."""
    page.open(f"{address}/sign-in")
    page.evaluate(f"document.getElementById('user').value = {USER!r}")
    page.evaluate(f"document.getElementById('password').value = {PASSWORD!r}")
    with page.loading():
        page.evaluate("document.querySelector('form button').click()")


class AwayDatabase(Database):
    """A database from which nothing comes but `error`."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def transaction(self, *, pipelined: bool = False) -> Any:
        raise self.error


def manager_app(database: Database, *, queues: Queues | None = None, clock: Clock | None = None, **given: Any) -> Flask:
    """The application on this database; `given` are settings."""
    return create_app(manager_settings(**given), database=database, queues=queues or StubQueues(), clock=clock)


def signed_in(app: Flask) -> FlaskClient:
    """A client whose person has signed in."""
    client = app.test_client()
    answer = client.post("/sign-in", data={"user": USER, "password": PASSWORD})
    assert answer.status_code == 303
    return client
