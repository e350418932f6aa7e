"""A private machine for one measurement: PostgreSQL with durable settings, SQS, and Retinue's own processes on them."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg

from bench.peers.environment import redis_server
from infra.keys import write_key_file
from infra.local.postgres_server import database_url
from infra.postgres.migrate import migrate

START_SECONDS = 60

_SERVERS = ("postgres", "sqs", "redis")


@dataclass
class Machine:
    """The addresses of the servers, and the processes started on them."""

    directory: Path
    url: str
    sqs_url: str
    redis_url: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    #: How each program was started, so that one that was killed can be started again.
    commands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Settings beyond the machine's own.
    extra: dict[str, str] = field(default_factory=dict)
    _connection: psycopg.Connection | None = None

    @classmethod
    def beside(cls, directory: Path) -> Machine:
        """Addresses for servers that keep their files in `directory`."""
        file = directory / "postgres-password"
        if not file.exists():
            file.write_text(secrets.token_urlsafe(12))
        password = file.read_text()
        url = database_url(port=free_port(), password=password, database="bench")
        return cls(directory, url, f"http://127.0.0.1:{free_port()}", f"redis://127.0.0.1:{free_port()}/0")

    def start_servers(self) -> None:
        """PostgreSQL with a migrated database, which may be there already, and SQS."""
        ports = [str(urlsplit(url).port) for url in (self.url, self.sqs_url)]
        data, is_new = str(self.directory / "postgres"), not (self.directory / "postgres" / "cluster").exists()
        self.start("postgres", "infra.local.postgres_server", "--data", data, "--port", ports[0])
        self.start("sqs", "bench.counted_sqs", "--port", ports[1])
        self.wait_for(lambda: _answers(self.maintenance_url), "PostgreSQL")
        self.wait_for(lambda: _accepts(int(ports[1])), "SQS")
        if is_new:
            with psycopg.connect(self.maintenance_url, autocommit=True) as connection:
                connection.execute("CREATE DATABASE bench")
            migrate(self.url)

    @property
    def maintenance_url(self) -> str:
        """The server's own database, from which others are made."""
        return self.url.removesuffix("/bench") + "/postgres"

    def restart_redis(self) -> None:
        """An empty Redis server with its default settings: snapshots, no append-only file."""
        if "redis" in self.processes:
            self.stop("redis")
        home = self.directory / "redis"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        port = urlsplit(self.redis_url).port or 0
        bound = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(home)]
        self.start_program("redis", [redis_server(), *bound], {"PATH": os.environ["PATH"]})
        self.wait_for(lambda: _accepts(port), "Redis")

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "RETINUE_DATABASE_URL": self.url,
            "RETINUE_SQS_ENDPOINT_URL": self.sqs_url,
            "RETINUE_DATA_DIR": str(self.directory),
            "RETINUE_LOG_FORMAT": "json",
            "AWS_ACCESS_KEY_ID": "retinue",
            "AWS_SECRET_ACCESS_KEY": "retinue",
            "RETINUE_SECRET_KEY_FILE": str(self.directory / "keys"),
            **self.extra,
        }

    def start(self, name: str, *command: str) -> psutil.Process:
        """Start one of our modules; its output goes to a file of its own."""
        self.commands[name] = command
        return self.start_program(name, [sys.executable, "-m", *command], self.environment)

    def start_program(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> psutil.Process:
        """Start any program; its output goes to a file of its own."""
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.processes[name] = process
        return psutil.Process(process.pid)

    def stop(self, name: str) -> None:
        """End one program by SIGTERM, and by SIGKILL if it does not listen."""
        self.processes[name].send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        self._wait_for_end(name)

    def end(self) -> None:
        """End every program: all but the servers at once, then the servers, without which the others would drag on."""
        self.disconnect()
        others = [name for name in self.processes if name not in _SERVERS]
        for name in others:
            self.processes[name].terminate()
        for name in others:
            self._wait_for_end(name)
        for name in list(self.processes):
            self.stop(name)

    def _wait_for_end(self, name: str) -> None:
        process = self.processes.pop(name)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def connection(self) -> psycopg.Connection:
        """The measurement's own autocommit connection, opened once."""
        if self._connection is None:
            self._connection = psycopg.connect(self.url, autocommit=True)
        return self._connection

    def disconnect(self) -> None:
        """Close the measurement's own connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Wait until `condition` holds; a program that ended, or the deadline, ends the measurement with its log."""
        deadline = time.monotonic() + seconds
        while not condition():
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join((self.directory / f"{n}.log").read_text()[-2000:] for n in ended or self.processes)
                raise RuntimeError(f"waited for {what}; ended: {ended or 'none'}\n{logs}")
            time.sleep(0.02)  # what another process does gives no signal


def copy_database(of: Path, to: Path) -> None:
    """The database's files of one machine, where it has ended, for another that has not begun."""
    for name in ("postgres-password", "postgres"):
        subprocess.run(["cp", "-a", str(of / name), str(to / name)], check=True)  # noqa: S607 - keeps their owner


@contextmanager
def machine(*, like: Path | None = None) -> Iterator[Machine]:
    """PostgreSQL and SQS, up and migrated; everything ends with the block.

    `like` has the database's files of another machine, to begin with.
    """
    with tempfile.TemporaryDirectory(prefix="retinue-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        if like is not None:
            copy_database(like, directory)
        made = Machine.beside(directory)
        try:
            made.start_servers()
            write_key_file(directory / "keys")
            yield made
        finally:
            made.end()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
