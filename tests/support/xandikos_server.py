"""A second real CalDAV server for tests: Xandikos, which keeps calendars in git, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.mail_server import HOST
from tests.support.radicale_server import STOP_SECONDS, Hand, free_port, wait_for_port

#: The one user; Xandikos leaves it to others to ask for a password.
USER = "tester"


class XandikosServer:
    """The process. It has one user, so that every test takes a server of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def hand(self) -> Hand:
        """The user's own program."""
        return Hand(f"{self.url}/{USER}", "calendars", "any")

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "xandikos", "serve", "--directory", str(self.data_dir), "--autocreate"]
        command += [
            "--state-dir",
            f"{self.data_dir}-state",
            "--listen-address",
            HOST,
            "--port",
            str(self.port),
            "--current-user-principal",
            f"/{USER}/",
        ]
        with (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own interpreter and arguments
        wait_for_port(self.port, process)
        return process


@contextmanager
def run_xandikos(data_dir: Path) -> Iterator[XandikosServer]:
    """A running server with a user who has no calendars yet."""
    server = XandikosServer(data_dir)
    try:
        yield server
    finally:
        server.stop()
