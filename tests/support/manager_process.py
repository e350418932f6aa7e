"""The manager in a process of its own."""

from __future__ import annotations

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
from infra.postgres.connect import Database
from manager.process import ManagerProcess
from servants.salesforce.client.web_flow import WebFlow
from tests.support.manager_server import StubQueues, manager_settings

settings = manager_settings(manager_port=int(sys.argv[1]), database_url=sys.argv[2])
database = Database(settings.database_url, application_name="retinue-manager", away_seconds=2)
sys.exit(ManagerProcess(settings, database=database, queues=StubQueues(), sign_in_to_org=WebFlow).run())
"""


@contextmanager
def manager_process(
    database_url: str, *, port: int | None = None, log: IO[str] | int = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address, once it listens. What it logs is read at its end, unless a file takes it."""
    port = port or free_port()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, str(port), database_url], cwd=ROOT, stderr=log, text=True
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
