"""The embedded IMAP server, its demo mailboxes, and the program that keeps delivering mail to them."""

from __future__ import annotations

import imaplib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.demo_accounts import DEMO_ACCOUNTS
from infra.local.demo_mail import FOLDERS, HOST, demo_messages, seed, signed_in
from infra.local.demo_postman import MOST, DemoPostman
from infra.local.imap_server import main
from infra.local.sign_ins import read_passwords
from retinue.clock import SystemClock
from tests.support.mail_snapshot import Snapshot, remote_snapshot
from tests.support.radicale_server import free_port, wait_for_port

STOP_SECONDS = 10


class ImapServer:
    """The program, on a port and a directory of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.process = self._start()

    @property
    def passwords(self) -> dict[str, str]:
        return read_passwords(self.data)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def restart(self) -> None:
        """Stop and start on the same port and data."""
        self.stop()
        self.process = self._start()

    def read(self, user: str) -> Snapshot:
        """Everything that a user has."""
        with signed_in(self.port, user, self.passwords[user]) as client:
            return remote_snapshot(client)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "infra.local.imap_server", "--port", str(self.port), "--data", str(self.data)]
        process = subprocess.Popen(command)  # noqa: S603 - our own interpreter and arguments
        wait_for_port(self.port, process)
        return process


@contextmanager
def running(data: Path) -> Iterator[ImapServer]:
    server = ImapServer(data)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ImapServer]:
    with running(tmp_path / "imap") as made:
        yield made


def postman(server: ImapServer, *, number: int = 1) -> DemoPostman:
    return DemoPostman(server.port, server.passwords, rng=random.Random(number), clock=SystemClock())  # noqa: S311 - a test


def test_seeding_twice_adds_nothing_the_second_time(server: ImapServer) -> None:
    added = seed(server.port, server.passwords)
    assert added >= 25
    assert seed(server.port, server.passwords) == 0
    held = [server.read(account.user) for account in DEMO_ACCOUNTS]
    assert sum(len(snapshot.messages) for snapshot in held) == added
    assert all(set(snapshot.folders) == set(FOLDERS) for snapshot in held)


def test_messages_are_served_as_they_were_put_there(server: ImapServer) -> None:
    seed(server.port, server.passwords)
    for account in DEMO_ACCOUNTS:
        with signed_in(server.port, account.user, server.passwords[account.user]) as client:
            for folder in FOLDERS:
                client.select(folder, readonly=True)
                lines = client.fetch("1:*", "(RFC822.SIZE BODY.PEEK[])")[1]
                texts = [line[1] for line in lines if isinstance(line, tuple)]
                assert texts == [message.text for message in demo_messages(account.user, folder)]


def test_mail_and_sign_ins_survive_a_restart(server: ImapServer) -> None:
    seed(server.port, server.passwords)
    passwords, before = server.passwords, server.read("kestrel")
    server.restart()
    assert server.passwords == passwords
    assert server.read("kestrel") == before


def test_a_wrong_password_is_refused(server: ImapServer) -> None:
    client = imaplib.IMAP4(HOST, server.port, timeout=10)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login("kestrel", "something else")
    client.logout()


def test_sigterm_ends_the_server(server: ImapServer) -> None:
    assert server.stop() == 0


def test_a_port_that_is_taken_is_one_clear_line(
    server: ImapServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        status = main(["--port", str(server.port), "--data", str(tmp_path / "other")])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert status == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"The IMAP server cannot listen on {HOST}:{server.port}")


def test_the_postman_delivers_reads_files_and_deletes_within_its_bounds(server: ImapServer) -> None:
    added = seed(server.port, server.passwords)
    one = postman(server)
    actions = Counter(one.errand().action for _ in range(70))
    assert set(actions) == {"delivered", "read", "filed", "deleted"}
    for account in DEMO_ACCOUNTS:
        there = server.read(account.user)
        own = len(demo_messages(account.user, "INBOX"))
        assert own <= len(there.folders["INBOX"].placed) <= own + MOST
    assert sum(len(server.read(account.user).messages) for account in DEMO_ACCOUNTS) > added


def test_the_program_goes_on_after_a_restart_of_the_server(server: ImapServer) -> None:
    command = [sys.executable, "-m", "infra.local.demo_postman", "--port", str(server.port), "--interval", "0.05"]
    command += ["--data", str(server.data)]
    seed(server.port, server.passwords)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as program:  # noqa: S603 - our own
        try:
            assert program.stderr is not None
            lines = iter(program.stderr)
            next(line for line in lines if "demo_mail_changed" in line)
            server.stop()
            next(line for line in lines if "pass_failed" in line)
            server.restart()
            next(line for line in lines if "demo_mail_changed" in line)
        finally:
            program.terminate()
        assert program.wait(STOP_SECONDS) == 0


def test_the_program_without_sign_ins_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infra.local.demo_postman", "--port", "1", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - our own
    assert done.returncode == 1
    assert "start the IMAP server with this --data first" in done.stderr
