"""One manager process: the application, served."""

from __future__ import annotations

import signal
import socket
from typing import Any

from flask import Flask
from waitress.server import create_server

from infra.logs import get_logger
from infra.postgres.connect import Database
from infra.queues.transport import Queues
from infra.settings import Settings
from infra.settings_sources import variable_name
from manager.app import create_app
from retinue.errors import ConfigurationError

THREADS = 4

#: More than any browser sends, in bytes.
MAX_HEADER_BYTES = 32_768
MAX_BODY_BYTES = 65_536

log = get_logger(__name__)


class ManagerProcess:
    """Serves until it is told to stop."""

    def __init__(self, settings: Settings, *, database: Database, queues: Queues) -> None:
        """Raises ConfigurationError where the address cannot be listened on, or must not be."""
        _refuse_known_password(settings)
        self._settings = settings
        app = create_app(settings, database=database, queues=queues)
        self._server = _server(app, _listen(settings.manager_host, settings.manager_port))

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
        log.info("manager_started", host=self._settings.manager_host, port=self._settings.manager_port)
        self._server.run()
        self._server.close()
        log.info("manager_stopped")
        return 0


def _refuse_known_password(settings: Settings) -> None:
    for finding in settings.check():
        if finding.level == "error" and finding.setting == variable_name("manager_password"):
            raise ConfigurationError(finding.message)


def _leave(_number: int, _frame: object) -> None:
    # Waitress ends its loop on this, lets its threads finish what they answer, and returns.
    raise SystemExit


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # `create_server` adds the address in Python's spelling.
        reason = str(error.strerror or error).partition(" (while ")[0]
        raise ConfigurationError(
            f"The manager cannot listen on {host}:{port}: {reason}. Is another one running there? "
            "Set RETINUE_MANAGER_HOST or RETINUE_MANAGER_PORT to a free address."
        ) from error


def _server(app: Flask, listening: socket.socket) -> Any:
    return create_server(
        app,
        sockets=[listening],
        threads=THREADS,
        ident=None,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=MAX_BODY_BYTES,
        # A proxy on this machine says whom it asks for, and whether over HTTPS.
        trusted_proxy="127.0.0.1",
        trusted_proxy_headers={"x-forwarded-for", "x-forwarded-proto"},
        clear_untrusted_proxy_headers=True,
    )
