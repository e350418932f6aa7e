"""Retinue as its users have it: a fresh copy of the repository or an installed wheel, driven through its own programs.

Nothing here imports Retinue: what the tests know of it they read from its output, its files and its servers.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from tests.support.family import end_processes

ROOT = Path(__file__).resolve().parents[2]

#: Preparing `.venv` takes most of it, where nothing is lent.
FIRST_START_SECONDS = 300

START_SECONDS = 90
STOP_SECONDS = 45
COMMAND_SECONDS = 90

#: Not the user's own: settings, credentials, the environment that the tests run in, the `make` that started them.
_WITHHELD = re.compile(r"(RETINUE|AWS|SUPERVISOR|PYTEST|PYTHON)\w*|VIRTUAL_ENV|MAKE\w*|MFLAGS")

#: What `python -m venv` and the installation of Retinue itself put among the packages.
_OWN_TO_AN_ENVIRONMENT = re.compile(
    r"_?(retinue|pip|setuptools|pkg_resources|_distutils_hack|distutils-precedence)\b|__pycache__"
)

_NOT_SOURCE = ("*.pyc", "__pycache__", ".git", ".venv", ".retinue", ".*_cache", ".hypothesis", "dist", "build")

T = TypeVar("T")


def user_environment(**settings: str) -> dict[str, str]:
    """A user's environment with these variables set."""
    kept = {name: value for name, value in os.environ.items() if not _WITHHELD.fullmatch(name)}
    return {**kept, **settings}


def quiet_port() -> int:
    """A free port on 127.0.0.1 below those that the system hands out to clients, so that it stays free for a while."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - any will do
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def eventually(look: Callable[[], T], wanted: Callable[[T], object], *, seconds: float, what: str) -> T:
    """What `look` returns once it is as `wanted`; fails with what it returned last."""
    deadline = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"no {what} within {seconds:g} s; last seen: {seen!r}"
        time.sleep(0.1)  # what other programs do gives this one no signal
    return seen


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str


class Product:
    """An installed Retinue: `program` is its command, run in the directory `home`."""

    def __init__(self, home: Path, program: Path, **settings: str) -> None:
        self.home = home
        self.program = program
        self.environment = user_environment(**settings)

    def run(self, *arguments: object, stdin: str = "", **settings: str) -> Done:
        """Run `retinue` with these arguments, whatever comes of it."""
        return run([self.program, *arguments], home=self.home, environment=self.environment | settings, stdin=stdin)

    def run_program(self, *command: object) -> Done:
        """Run another program there."""
        return run(list(command), home=self.home, environment=self.environment)

    def say(self, *arguments: object, stdin: str = "") -> str:
        """What a command that goes well prints."""
        done = self.run(*arguments, stdin=stdin)
        assert done.status == 0, done
        return done.out

    def json(self, *arguments: object, stdin: str = "") -> Any:
        """The same with `--json`, read."""
        return json.loads(self.say(*arguments, "--json", stdin=stdin))

    def refusal(self, *arguments: object, status: int, stdin: str = "", **settings: str) -> str:
        """The one message of a command that is refused: on standard error, with nothing on standard output."""
        done = self.run(*arguments, stdin=stdin, **settings)
        assert (done.status, done.out) == (status, ""), done
        assert "Traceback" not in done.err
        assert done.err.count("Error: ") == 1, done.err
        return done.err


def run(command: list[object], *, home: Path, environment: Mapping[str, str], stdin: str = "") -> Done:
    """Run a program to its end."""
    done = subprocess.run(  # noqa: S603 - our own programs
        [str(word) for word in command],
        cwd=home,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Terminal:
    """A command in the foreground of a terminal of its own: a process group, its output read as it comes."""

    def __init__(self, command: list[str], *, home: Path, environment: Mapping[str, str]) -> None:
        self._output = ""
        self._more = threading.Condition()
        self.process = subprocess.Popen(  # noqa: S603 - our own programs
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """All it has printed."""
        with self._more:
            return self._output

    @property
    def is_open(self) -> bool:
        """Whether the command still runs."""
        return self.process.poll() is None

    def wait_for(self, text: str, *, seconds: float) -> None:
        """Wait until it has printed `text`."""
        with self._more:
            self._more.wait_for(lambda: text in self._output or not self._reader.is_alive(), seconds)
        assert text in self.output, f"no {text!r} within {seconds:g} s, but:\n{self.output}"

    def interrupt(self) -> None:
        """What Ctrl-C does: SIGINT to every process in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)

    def close(self, *, seconds: float) -> int:
        """Wait for its end; the exit status."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._more:
                    self._output += line
                    self._more.notify_all()


class Checkout(Product):
    """A fresh copy of the repository, whose Makefile makes the rest. `ready_at` is when its stack was first ready."""

    def __init__(self, home: Path) -> None:
        python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
        port = str(quiet_port())
        super().__init__(home, home / ".venv/bin/retinue", PYTHON=str(python), RETINUE_MANAGER_PORT=port)
        self.terminal: Terminal | None = None
        self.ready_at: datetime | None = None

    def make(self, target: str) -> Done:
        """Run `make TARGET` to its end."""
        return self.run_program("make", target)

    def up(self) -> Terminal:
        """The terminal in which `make up` has said that everything is ready; opened unless there is one."""
        if self.terminal is None or not self.terminal.is_open:
            seconds = START_SECONDS if self.program.exists() else FIRST_START_SECONDS
            self.terminal = Terminal(["make", "up"], home=self.home, environment=self.environment)
            self.terminal.wait_for("Press Ctrl-C", seconds=seconds)
            self.ready_at = self.ready_at or datetime.now(UTC)
        return self.terminal

    @property
    def data(self) -> Path:
        """Where the stack keeps its data unless it is told otherwise."""
        return self.home / ".retinue"

    @property
    def ports(self) -> dict[str, int]:
        """Where its servers listen."""
        ports: dict[str, int] = json.loads((self.data / "ports.json").read_text())
        return ports

    @property
    def database_url(self) -> str:
        password = (self.data / "postgres-password").read_text().strip()
        return f"postgresql://retinue:{password}@127.0.0.1:{self.ports['postgres']}/retinue"

    @property
    def caldav_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['caldav']}"

    def caldav_passwords(self) -> dict[str, str]:
        """The sign-ins of the CalDAV server."""
        return self._passwords("caldav")

    def imap_passwords(self) -> dict[str, str]:
        """The sign-ins of the IMAP server."""
        return self._passwords("imap")

    def _passwords(self, server: str) -> dict[str, str]:
        lines = (self.data / server / "users").read_text().splitlines()
        return dict(line.split(":", 1) for line in lines)


@contextmanager
def fresh_checkout() -> Iterator[Checkout]:
    """A clone of the repository's HEAD, or a copy of its files where git or its history is missing."""
    with scratch() as directory:
        home = directory / "retinue"
        _copy_repository(home)
        _lend_packages(home)
        checkout = Checkout(home)
        try:
            yield checkout
        finally:
            if checkout.terminal is not None and checkout.terminal.is_open:
                checkout.terminal.interrupt()
                checkout.terminal.close(seconds=STOP_SECONDS)
            end_processes(home)


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty directory outside the repository. An unprivileged PostgreSQL passes through it."""
    with tempfile.TemporaryDirectory(prefix="retinue-acceptance-") as name:
        directory = Path(name).resolve()
        directory.chmod(0o711)
        yield directory


def _copy_repository(home: Path) -> None:
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        subprocess.run([git, "clone", "--quiet", str(ROOT), str(home)], check=True)  # noqa: S603 - git and our own paths
    else:
        shutil.copytree(ROOT, home, ignore=shutil.ignore_patterns(*_NOT_SOURCE))


def _lend_packages(home: Path) -> None:
    """Spare the copy's `make` what its pip would fetch and unpack: what runs the tests came from the same lock.

    The rule runs as ever. Its pip finds each line of the lock in place, and makes Retinue's own entry itself.
    """
    if not _is_as_locked():
        return
    lent = home / ".venv/lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    lent.mkdir(parents=True)
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not _OWN_TO_AN_ENVIRONMENT.match(entry.name):
            (lent / entry.name).symlink_to(entry)


def _is_as_locked() -> bool:
    """Whether this environment holds nothing but the versions of the lock: pip would change what is not, here too."""
    locked = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return all(_installed_version(name) in (wanted, None) for name, wanted in locked)


def _installed_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None  # for another platform


def source_files(home: Path) -> dict[str, bytes]:
    """Every file of the copy that is not made by building or running it."""
    made = re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in _NOT_SOURCE))
    paths = (path for path in home.rglob("*") if path.is_file())
    relative = [(path, path.relative_to(home)) for path in paths]
    return {str(name): path.read_bytes() for path, name in relative if not any(map(made.fullmatch, name.parts))}
