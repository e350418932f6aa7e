"""The process: it serves, stops when told to, and says why it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from infra.postgres.connect import Database
from infra.settings_checks import DEFAULT_PASSWORD
from manager.process import ManagerProcess
from retinue.errors import ConfigurationError
from tests.support.manager_server import PASSWORD, USER, StubQueues, manager_settings
from tests.support.postgres import free_port

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys
from infra.postgres.connect import Database
from infra.settings_checks import DEFAULT_PASSWORD
from manager.process import ManagerProcess
from tests.support.manager_server import StubQueues, manager_settings

settings = manager_settings(manager_port=int(sys.argv[1]), database_url=sys.argv[2])
database = Database(settings.database_url, application_name="retinue-manager")
sys.exit(ManagerProcess(settings, database=database, queues=StubQueues()).run())
"""

STOP_SECONDS = 10


@contextmanager
def manager(database_url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address, once it listens."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, str(port), database_url], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_until_it_listens(process, port)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def _wait_until_it_listens(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "it ended instead of listening"
            assert time.monotonic() < deadline
            time.sleep(0.02)  # a port that opens gives no signal
        else:
            return


def get(url: str) -> tuple[Any, dict[str, str]]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
        return json.load(answer), dict(answer.headers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(database_url: str, number: signal.Signals) -> None:
    with manager(database_url) as (process, address):
        told, headers = get(f"{address}/healthz")
        assert told == {"status": "alive"}
        assert "Server" not in headers

        process.send_signal(number)

        _, log = process.communicate(timeout=STOP_SECONDS)
        assert process.returncode == 0
        assert "manager_started" in log
        assert "manager_stopped" in log


def test_it_stays_small(database_url: str) -> None:
    with manager(database_url) as (process, address):
        get(f"{address}/healthz")
        threads = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
        resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    assert threads <= 8
    assert resident < 100_000_000


def test_a_port_that_is_taken_is_named(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = manager_settings(manager_port=port)

        with pytest.raises(ConfigurationError) as raised:
            ManagerProcess(settings, database=database, queues=StubQueues())

    assert f"127.0.0.1:{port}" in raised.value.message
    assert "RETINUE_MANAGER_PORT" in raised.value.message


def test_with_the_password_everyone_knows_it_listens_on_this_machine_alone(database: Database) -> None:
    settings = manager_settings(manager_host="0.0.0.0", manager_port=free_port(), manager_password=DEFAULT_PASSWORD)  # noqa: S104 - it is refused

    with pytest.raises(ConfigurationError, match="Set a password of your own"):
        ManagerProcess(settings, database=database, queues=StubQueues())


def test_a_proxy_on_this_machine_says_whom_it_asks_for_and_how(database_url: str) -> None:
    form = urlencode({"user": USER, "password": PASSWORD})
    forwarded = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7", "X-Forwarded-Proto": "https"}
    with manager(database_url) as (process, address):
        connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
        headers = {"Content-Type": "application/x-www-form-urlencoded", **forwarded}
        connection.request("POST", "/sign-in", form, headers)
        cookie = connection.getresponse().headers["Set-Cookie"]
        connection.close()
        process.terminate()
        _, log = process.communicate(timeout=STOP_SECONDS)

    assert "Secure" in cookie
    assert "client=203.0.113.7" in log
