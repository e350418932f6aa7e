"""What the real mail servers of the tests have in common: a directory, processes, and users who sign in."""

from __future__ import annotations

import imaplib
import itertools
import os
import pwd
import shutil
import signal
import ssl
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.radicale_server import free_port, wait_for_port

HOST = "127.0.0.1"
STOP_SECONDS = 10
CLIENT_SECONDS = 30


@dataclass(frozen=True)
class MailUser:
    """A sign-in."""

    name: str
    password: str = field(repr=False)


class LocalMailServer(ABC):
    """A server. `port` is for plain connections and STARTTLS, `tls_port` for TLS from the first byte.

    `ca_file` vouches for its certificate, which is for 127.0.0.1 and localhost. Every test takes a user of its own.
    """

    host = HOST

    def __init__(self, home: Path, ca_file: Path, *, run_as: str) -> None:
        self.home = home
        self.port = free_port()
        self.tls_port = free_port()
        self.ca_file = ca_file
        self.process: subprocess.Popen[bytes] | None = None
        self._run_as = run_as
        self._unused = itertools.count()

    @property
    @abstractmethod
    def command(self) -> Sequence[str]:
        """What runs it in the foreground."""

    def user(self, name: str | None = None) -> MailUser:
        """The user of this name; without a name one that nobody has used yet."""
        name = name or f"tester{next(self._unused)}"
        return MailUser(name, f"secret-of-{name}")

    def uid_validity_of(self, user: MailUser) -> Callable[[str, int], None] | None:
        """What gives a user's mailboxes another UIDVALIDITY, by their names; None where there is no such thing."""
        return None

    @contextmanager
    def client(self, user: MailUser) -> Iterator[imaplib.IMAP4]:
        """The standard library's client, signed in."""
        with imaplib.IMAP4(self.host, self.port, timeout=CLIENT_SECONDS) as client:
            client.login(user.name, user.password)
            yield client

    @contextmanager
    def tls_client(self, user: MailUser) -> Iterator[imaplib.IMAP4_SSL]:
        """The same over TLS."""
        context = ssl.create_default_context(cafile=self.ca_file)
        with imaplib.IMAP4_SSL(self.host, self.tls_port, ssl_context=context, timeout=CLIENT_SECONDS) as client:
            client.login(user.name, user.password)
            yield client

    def log(self) -> str:
        """What the server has logged so far."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.home.glob("*.log")))

    def last_line_of(self, user: MailUser) -> str:
        """The last that it logged of a session of this user; empty while there is nothing."""
        lines = [line for line in self.log().splitlines() if f"imap({user.name})" in line]
        return lines[-1] if lines else ""

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.home / "output.log").open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - Debian's own program
                self.command, start_new_session=True, stdout=output, stderr=output, **rights_of(self._run_as)
            )
        try:
            wait_for_port(self.port, self.process)
        except AssertionError as error:
            error.add_note(self.log())
            raise

    def stop(self) -> None:
        """End it with everybody's connections, in a second or a few; the mail stays."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End every process of it at once."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(STOP_SECONDS)

    def restart(self) -> None:
        """Stop and start on the same ports and mail."""
        self.stop()
        self.start()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Started, and killed at the end."""
        self.start()
        try:
            yield
        finally:
            self.kill()


@contextmanager
def private_home(name: str, directories: Sequence[str], *, owner: str) -> Iterator[Path]:
    """A directory that the server may write to, in memory where the machine has such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - the directory in it is made safely
    parent = memory if os.access(memory, os.W_OK) else None
    home = Path(tempfile.mkdtemp(prefix=f"retinue-{name}-", dir=parent))
    try:
        for directory in directories:
            (home / directory).mkdir(parents=True)
        if os.getuid() == 0:
            user = pwd.getpwnam(owner)
            for path in (home, *home.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)  # a process on its way out may still write there


def rights_of(user: str) -> dict[str, Any]:
    """What makes a child process run as this user where the parent is root's."""
    if os.getuid() != 0:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
