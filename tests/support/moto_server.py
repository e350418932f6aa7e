"""The embedded stack's SQS server for tests: a process of its own on a free port, ended by its pid.

def test_something(moto_server: MotoServer, aws_credentials: None) -> None:
    queues = SqsQueues(make_client(moto_server.url, "us-east-1"), prefix="…", environment="test")
    moto_server.restart()  # the same address, an empty memory
"""

from __future__ import annotations

import http.client
import json
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, Any

import pytest

HOST = "127.0.0.1"
REGION = "us-east-1"

START_SECONDS = 30
STOP_SECONDS = 10

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "retinue", "AWS_SECRET_ACCESS_KEY": "retinue"}

# From this moto takes the region; it checks no signature.
_AUTHORIZATION = f"AWS4-HMAC-SHA256 Credential=retinue/20260101/{REGION}/sqs/aws4_request, Signature=none"


class MotoServer:
    """A server that can be stopped, killed and started again on its port."""

    def __init__(self) -> None:
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to work with it."""
        return {"RETINUE_SQS_ENDPOINT_URL": self.url, **CREDENTIALS}

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-m", "infra.local.sqs_server", "--port", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
        said = _first_line(self._process)
        self.port = int(said.rpartition(":")[2])

    def stop(self) -> int:
        """End it with SIGTERM; its exit status."""
        self._running.terminate()
        return self._ended()

    def kill(self) -> int:
        """End it with SIGKILL; its exit status."""
        self._running.kill()
        return self._ended()

    def restart(self) -> None:
        """Kill it and start it again: the same address, an empty memory."""
        self.kill()
        self.start()

    def reset(self) -> None:
        """Empty its memory while it runs. A long poll that waits goes on waiting, on a queue that is gone."""
        for url in self.ask("ListQueues").get("QueueUrls", []):
            self.ask("DeleteQueue", QueueUrl=url)

    def ask(self, action: str, **parameters: Any) -> Any:
        """The plain answer to an SQS action, for looking and for arranging behind a client's back."""
        return ask(self.url, action, **parameters)

    @property
    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the server is not running"
        return self._process

    def _ended(self) -> int:
        with self._running as process:
            status = process.wait(STOP_SECONDS)
        self._process = None
        return status


def ask(url: str, action: str, *, timeout: float = 30, **parameters: Any) -> Any:
    """The plain answer of the server at `url` to an SQS action.

    Raises:
        OSError, http.client.HTTPException: the server is away.
        AssertionError: it refuses.
    """
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request("POST", "/", *request(action, parameters))
        reply = connection.getresponse()
        text = reply.read()
        assert reply.status == http.client.OK, text
        return json.loads(text or b"{}")
    finally:
        connection.close()


def request(action: str, parameters: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """The body and headers of an SQS request."""
    headers = {
        "Authorization": _AUTHORIZATION,
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"AmazonSQS.{action}",
    }
    return json.dumps(parameters).encode(), headers


def _first_line(process: subprocess.Popen[str]) -> str:
    said: IO[str] | None = process.stdout
    assert said is not None
    ready, _, _ = select.select([said], [], [], START_SECONDS)
    line = said.readline() if ready else ""
    if not line:
        process.kill()
        raise AssertionError(f"the SQS server did not start: exit status {process.wait()}")
    return line


@pytest.fixture(scope="session")
def moto_server() -> Iterator[MotoServer]:
    """One server for the session. A test that restarts it leaves it running, and every test uses queues of its own."""
    server = MotoServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that any server but AWS takes."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
