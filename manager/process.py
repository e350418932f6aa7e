"""One manager process: the application, served."""

from __future__ import annotations

import signal
import socket
from typing import Any

from flask import Flask
from waitress.server import create_server

from infra.logs import get_logger
from infra.postgres.account_database import AccountDatabase
from infra.postgres.connect import Database
from infra.queues.transport import Queues
from infra.settings import Settings
from infra.settings_sources import variable_name
from manager.app import create_app
from manager.live import LiveHub
from manager.live.hub import MAX_STREAMS
from manager.org_sign_in import MakeOrgSignIn
from retinue.errors import ConfigurationError

#: Those that answer; each stream of an open page has one more for as long as it lasts.
THREADS = 4

#: Browsers keep some open between their requests.
MAX_CONNECTIONS = 4 * MAX_STREAMS

#: More than any browser sends, in bytes.
MAX_HEADER_BYTES = 32_768
MAX_BODY_BYTES = 65_536

log = get_logger(__name__)


class ManagerProcess:
    """Serves until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        accounts: AccountDatabase,
        queues: Queues,
        sign_in_to_org: MakeOrgSignIn,
    ) -> None:
        """Raises ConfigurationError where the address cannot be listened on, or must not be."""
        _refuse_open_doors(settings)
        self._settings = settings
        app = create_app(settings, database=database, accounts=accounts, queues=queues, sign_in_to_org=sign_in_to_org)
        self._live: LiveHub = app.extensions["live"]
        self._server = _server(app, _listen(settings.manager_host, settings.manager_port))
        dispatcher = self._server.task_dispatcher
        self._live.take_threads(lambda streams: dispatcher.set_thread_count(THREADS + streams))

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._leave)
        log.info("manager_started", host=self._settings.manager_host, port=self._settings.manager_port)
        self._server.run()
        self._server.close()
        self._live.close()
        log.info("manager_stopped")
        return 0

    def _leave(self, _number: int, _frame: object) -> None:
        # Its streams would never end by themselves. Waitress ends its loop on this error, lets its threads finish what
        # they answer, and returns.
        self._live.stop()
        raise SystemExit


def _refuse_open_doors(settings: Settings) -> None:
    doors = {variable_name("manager_password"), variable_name("oidc_issuer")}
    for finding in settings.check():
        if finding.level == "error" and finding.setting in doors:
            raise ConfigurationError(f"{finding.setting}: {finding.message}")


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
        connection_limit=MAX_CONNECTIONS,
        # More sockets than `select` can look at.
        asyncore_use_poll=True,
        ident=None,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=MAX_BODY_BYTES,
        # While a stream lasts its connection is read on, so that it is known when the browser has closed it.
        channel_request_lookahead=1,
        # A proxy on this machine says whom it asks for, and whether over HTTPS.
        trusted_proxy="127.0.0.1",
        trusted_proxy_headers={"x-forwarded-for", "x-forwarded-proto"},
        clear_untrusted_proxy_headers=True,
    )
