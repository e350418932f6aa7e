"""The process: it serves, stops when told to, and says why it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from infra.postgres.account_database import AccountDatabase
from infra.postgres.connect import Database
from infra.settings_checks import DEFAULT_PASSWORD
from manager.process import ManagerProcess
from retinue.errors import ConfigurationError
from servants.salesforce.client.web_flow import WebFlow
from tests.support.manager_process import manager_process
from tests.support.manager_server import PASSWORD, USER, StubQueues, manager_settings, token_in
from tests.support.postgres import free_port

STOP_SECONDS = 10

#: It opens nothing.
NOBODYS = AccountDatabase({}, application_name="tests")


def get(url: str) -> tuple[Any, dict[str, str]]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
        return json.load(answer), dict(answer.headers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(database_url: str, number: signal.Signals) -> None:
    with manager_process(database_url) as (process, address):
        told, headers = get(f"{address}/healthz")
        assert told == {"status": "alive"}
        assert "Server" not in headers

        process.send_signal(number)

        _, log = process.communicate(timeout=STOP_SECONDS)
        assert process.returncode == 0
        assert "manager_started" in log
        assert "manager_stopped" in log


def test_it_stays_small(database_url: str) -> None:
    with manager_process(database_url) as (process, address):
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
            ManagerProcess(settings, database=database, accounts=NOBODYS, queues=StubQueues(), sign_in_to_org=WebFlow)

    assert f"127.0.0.1:{port}" in raised.value.message
    assert "RETINUE_MANAGER_PORT" in raised.value.message


def test_with_the_password_everyone_knows_it_listens_on_this_machine_alone(database: Database) -> None:
    settings = manager_settings(manager_host="0.0.0.0", manager_port=free_port(), manager_password=DEFAULT_PASSWORD)  # noqa: S104 - it is refused

    with pytest.raises(ConfigurationError, match="Set a password of your own"):
        ManagerProcess(settings, database=database, accounts=NOBODYS, queues=StubQueues(), sign_in_to_org=WebFlow)


def test_an_identity_provider_that_anybody_could_speak_for_is_refused(database: Database) -> None:
    settings = manager_settings(manager_port=free_port(), oidc_issuer="http://id.example.com", oidc_client_id="x")

    with pytest.raises(ConfigurationError, match=r"RETINUE_OIDC_ISSUER: .* Use https"):
        ManagerProcess(settings, database=database, accounts=NOBODYS, queues=StubQueues(), sign_in_to_org=WebFlow)


def test_a_proxy_on_this_machine_says_whom_it_asks_for_and_how(database_url: str) -> None:
    forwarded = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7", "X-Forwarded-Proto": "https"}
    with manager_process(database_url) as (process, address):
        connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
        connection.request("GET", "/sign-in", headers=forwarded)
        page = connection.getresponse()
        cookie = page.headers["Set-Cookie"]
        form = urlencode({"user": USER, "password": PASSWORD, "csrf_token": token_in(page.read().decode())})
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie.partition(";")[0]}
        connection.request("POST", "/sign-in", form, sent | forwarded)
        assert connection.getresponse().status == 303
        connection.close()
        process.terminate()
        _, log = process.communicate(timeout=STOP_SECONDS)

    assert "Secure" in cookie
    assert "client=203.0.113.7" in log
