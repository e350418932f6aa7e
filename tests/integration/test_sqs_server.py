"""The embedded SQS server: several clients at once, long polls, and its end."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

import pytest

from tests.support.moto_server import HOST, MotoServer, request

START_SECONDS = 30
SOON_SECONDS = 10

#: Long polls held at the same time: what a machine full of servants does.
POLLS = 100


@pytest.fixture
def server() -> Iterator[MotoServer]:
    """A server of the test's own."""
    made = MotoServer()
    made.start()
    yield made
    if made.is_running:
        made.kill()


@pytest.fixture
def queue(server: MotoServer) -> str:
    """The URL of a queue."""
    return str(server.ask("CreateQueue", QueueName="letters")["QueueUrl"])


def test_it_ends_at_once_on_sigterm_whoever_waits(server: MotoServer, queue: str) -> None:
    with Poll(server, queue):
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < SOON_SECONDS


def test_a_port_that_is_taken_is_said_in_one_line(server: MotoServer) -> None:
    ended = start_on(str(server.port))
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
    assert f"port {server.port} on {HOST} cannot be used" in ended.stderr


def test_what_is_no_port_is_refused() -> None:
    ended = start_on("70000")
    assert ended.returncode == 2
    assert "70000 is no port" in ended.stderr


def test_a_restart_empties_its_memory_and_keeps_the_address(server: MotoServer, queue: str) -> None:
    url = server.url
    server.restart()
    assert server.url == url
    assert server.ask("ListQueues") == {}


def test_a_reset_empties_its_memory(server: MotoServer, queue: str) -> None:
    server.reset()
    assert server.ask("ListQueues") == {}


def test_a_connection_is_kept_alive(server: MotoServer, queue: str) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=SOON_SECONDS)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("POST", "/", *request("ReceiveMessage", {"QueueUrl": queue, "WaitTimeSeconds": 0}))
        connection.getresponse().read()
    assert connection.sock is first
    connection.close()


def test_it_answers_while_many_long_polls_wait_and_wakes_each(server: MotoServer, queue: str) -> None:
    with ExitStack() as stack:
        polls = [stack.enter_context(Poll(server, queue)) for _ in range(POLLS)]
        for start in range(0, POLLS, 10):
            entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(start, start + 10)]
            assert len(server.ask("SendMessageBatch", QueueUrl=queue, Entries=entries)["Successful"]) == 10
        bodies = [message["Body"] for poll in polls for message in poll.answer()]
    assert sorted(bodies, key=int) == [str(n) for n in range(POLLS)]


def test_a_poll_whose_client_has_gone_takes_no_message(server: MotoServer, queue: str) -> None:
    with Poll(server, queue):
        pass
    server.ask("SendMessage", QueueUrl=queue, MessageBody="for the living")
    (message,) = receive(server, queue)
    assert message["Body"] == "for the living"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_it_serves_nothing_but_sqs(server: MotoServer) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=SOON_SECONDS)
    connection.request("POST", "/moto-api/reset")
    assert connection.getresponse().status == http.client.NOT_FOUND
    connection.close()


def start_on(port: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is not going to run."""
    command = [sys.executable, "-m", "infra.local.sqs_server", "--port", port]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=START_SECONDS)  # noqa: S603 - our own program


class Poll:
    """A long poll on a bare socket; leaving the block closes it, as a killed process does."""

    def __init__(self, server: MotoServer, queue: str) -> None:
        self._socket = socket.create_connection((HOST, server.port), timeout=SOON_SECONDS)
        body, headers = request("ReceiveMessage", {"QueueUrl": queue, "WaitTimeSeconds": 20})
        lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
        head = "\r\n".join(["POST / HTTP/1.1", f"Host: {HOST}", *lines, "", ""])
        self._socket.sendall(head.encode() + body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def answer(self) -> list[dict[str, Any]]:
        reply = http.client.HTTPResponse(self._socket)
        reply.begin()
        return list(json.loads(reply.read()).get("Messages", []))


def receive(server: MotoServer, queue: str) -> list[dict[str, Any]]:
    """Up to ten messages."""
    reply = server.ask(
        "ReceiveMessage",
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=5,
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )
    return list(reply.get("Messages", []))
