"""The embedded SQS server, which also tells how many requests it has answered: `GET /bench/calls`."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Literal
from unittest import mock
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask
from moto.moto_server.werkzeug_app import create_backend_app

from infra.local import sqs_server

PATH = "/bench/calls"


class Counted:
    """A WSGI application before another."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._calls = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(self._calls).encode()]
        with self._lock:
            self._calls += 1
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer


def main() -> None:
    """Serve until SIGTERM."""
    with mock.patch.object(sqs_server, "create_backend_app", _counted):
        sqs_server.main()


def _counted(service: Literal["sqs"]) -> Flask:
    application = create_backend_app(service)
    application.wsgi_app = Counted(application.wsgi_app)  # type: ignore[method-assign]  # Flask's own way to wrap one
    return application


if __name__ == "__main__":
    main()
