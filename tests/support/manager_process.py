"""The manager in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.support.postgres import free_port

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys
from infra.postgres.account_database import AccountDatabase
from infra.postgres.connect import Database
from infra.postgres.logins import Login, ensure_logins
from manager.process import ManagerProcess
from servants.salesforce.client.web_flow import WebFlow
from tests.support.manager_server import StubQueues, manager_settings

settings = manager_settings(manager_port=int(sys.argv[1]), database_url=sys.argv[2])
logins = ensure_logins(settings.database_url)
database = Database(logins[Login.OPERATOR], application_name="retinue-manager", away_seconds=2)
accounts = AccountDatabase(logins, application_name="retinue-manager")
manager = ManagerProcess(
    settings, database=database, accounts=accounts, queues=StubQueues(), sign_in_to_org=WebFlow
)
sys.exit(manager.run())
"""


#: As supervisord starts it.
COMMAND = "from cli.main import cli; cli(['manager'], prog_name='retinue')"


@contextmanager
def manager_process(
    database_url: str, *, port: int | None = None, log: IO[str] | int = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address, once it listens. What it logs is read at its end, unless a file takes it."""
    port = port or free_port()
    with _listening([PROGRAM, str(port), database_url], port, log, {}) as started:
        yield started


@contextmanager
def manager_command(database_url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The same of `retinue manager` itself, with its queues in the database."""
    port = free_port()
    settings = {"DATABASE_URL": database_url, "MANAGER_PORT": str(port), "TRANSPORT": "postgres"}
    given = {f"RETINUE_{name}": value for name, value in settings.items()}
    with _listening([COMMAND], port, subprocess.PIPE, given) as started:
        yield started


@contextmanager
def _listening(
    program: list[str], port: int, log: IO[str] | int, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", *program], cwd=ROOT, stderr=log, text=True, env=os.environ | environment
    )
    try:
        _wait_until_it_listens(process, port)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def _wait_until_it_listens(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "it ended instead of listening"
            assert time.monotonic() < deadline
            time.sleep(0.02)  # a port that opens gives no signal
        else:
            return
