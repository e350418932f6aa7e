"""The sandbox Salesforce org for tests, in a process of its own, with a user and a connected app to sign in with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from infra.local.salesforce.control_client import Control, NewApp, NewUser

START_SECONDS = 60
STOP_SECONDS = 20
VERSION = "v61.0"

USER = NewUser("integration@example.com", "a long password", "TOKEN123", last_name="Integration")
CALLBACK = "http://127.0.0.1/callback"
APP = NewApp("3MVG9retinue", "Retinue", client_secret="the app's secret", callback_url=CALLBACK)


@dataclass
class SandboxOrg:
    """A running org. `user_id` is that of `USER`, who may do all that an admin may."""

    directory: Path
    process: subprocess.Popen[str]
    url: str
    control: Control
    user_id: str = field(default="")

    @property
    def data_url(self) -> str:
        """What the paths of the API's resources begin with."""
        return f"{self.url}/services/data/{VERSION}"

    def session(self, username: str = USER.username) -> requests.Session:
        """An HTTP client that is signed in."""
        client = requests.Session()
        client.trust_env = False
        client.headers["Authorization"] = f"Bearer {self.control.sign_in(username)}"
        return client

    def query(self, soql: str) -> list[dict[str, Any]]:
        """The rows of the first page of a query."""
        with self.session() as client:
            answer = client.get(f"{self.data_url}/query", params={"q": soql}, timeout=30)
            answer.raise_for_status()
            return list(answer.json()["records"])

    def restart(self, *, kill: bool = False) -> None:
        """End the process, politely or not, and start another on the same port and data."""
        port = int(self.url.rpartition(":")[2])
        end(self.process, kill=kill)
        self.process, _ = start(self.directory, port)


def start(directory: Path, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """Start a server; the process and its URL."""
    command = [sys.executable, "-m", "infra.local.salesforce.server", "--port", str(port), "--data", str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter and arguments
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "listening on" in line, f"the sandbox org left with {process.wait(STOP_SECONDS)}"
    return process, line.split()[-1]


def end(process: subprocess.Popen[str], *, kill: bool = False) -> int:
    """End a server; its exit status."""
    if kill:
        process.kill()
    else:
        process.terminate()
    status = process.wait(STOP_SECONDS)
    if process.stdout is not None:
        process.stdout.close()
    return status


@contextmanager
def sandbox_org(directory: Path) -> Iterator[SandboxOrg]:
    """A running org with `USER` and `APP` in it."""
    process, url = start(directory)
    control = Control(url)
    org = SandboxOrg(directory, process, url, control)
    try:
        org.user_id = control.add_user(USER)
        control.set_app(APP)
        yield org
    finally:
        control.close()
        end(org.process)
