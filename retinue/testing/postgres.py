"""PostgreSQL for tests: one embedded server for the whole run, and databases copied from a migrated template.

    RETINUE_TEST_DATABASE_URL=postgresql://…   use this server; its role must be allowed to make databases
    RETINUE_TEST_POSTGRES_MAJOR=15             use Debian's server programs of that version

The processes of one run (pytest-xdist's workers) share the server through a directory named for the run: a lock, the
server's pid and one file for each process that uses it. The last process to leave ends the server.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from infra.local.postgres_cluster import debian_binaries, embedded_binaries
from infra.local.postgres_server import database_url
from infra.postgres.logins import login_names

#: Nothing here outlives the run, so nothing has to be safe on disk.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "autovacuum_naptime": "60s",
}

START_SECONDS = 60
STOP_SECONDS = 20

_PREFIX = f"retinue-tests-{os.getuid()}"


class Identity(TypedDict):
    """A process: its number, and its start time so that a later process of the same number is not taken for it."""

    pid: int
    started: float


class ServerRecord(Identity):
    url: str


@dataclass(frozen=True)
class DatabaseServer:
    """A server, and the role that may make databases on it. `name` tells this run's databases from another's."""

    url: str
    name: str

    def database_url(self, database: str) -> str:
        """The same server, another database."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def template_database(self, migrate: Callable[[str], object], *, key: str = "template") -> str:
        """The name of a database that `migrate(url)` prepared, once a run however many processes ask."""
        name = f"{self.name}_{key}"
        with _locked(), self._admin() as admin:
            if not self._exists(admin, name):
                draft = f"{name}_draft"
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(draft)))
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
                migrate(self.database_url(draft))
                self._end_connections(admin, draft)
                rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                admin.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
        return name

    @contextmanager
    def fresh_database(self, template: str = "template1") -> Iterator[str]:
        """The URL of a new copy of `template`, dropped afterwards whoever is still connected."""
        name = f"{self.name}_{secrets.token_hex(5)}"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        with self._admin() as admin:
            admin.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield self.database_url(name)
        finally:
            with self._admin() as admin:
                self._drop(admin, name)

    def drop_all(self) -> None:
        """Drop what this run made, on a server that stays."""
        with self._admin() as admin:
            rows = admin.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (f"{self.name}_",))
            for (name,) in rows.fetchall():
                self._drop(admin, name)

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, connect_timeout=5)

    @staticmethod
    def _exists(admin: psycopg.Connection, name: str) -> bool:
        return admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None

    @classmethod
    def _drop(cls, admin: psycopg.Connection, database: str) -> None:
        """Drop a database whoever is connected, and the roles that were made for it."""
        drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database))
        try:
            admin.execute(drop + sql.SQL(" WITH (FORCE)"))
        except InsufficientPrivilege:
            # Autovacuum is at it, which only a superuser may force, but which gives way to a plain drop.
            cls._end_connections(admin, database)
            admin.execute(drop)
        for role in login_names(database):
            admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))

    @staticmethod
    def _end_connections(admin: psycopg.Connection, database: str) -> None:
        """End what clients left open, such as a pool's connections: it would keep the database in use."""
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            # Not autovacuum's workers, which belong to the superuser and give way by themselves.
            " WHERE datname = %s AND backend_type = 'client backend'",
            (database,),
        )


@contextmanager
def throwaway_server() -> Iterator[DatabaseServer]:
    """The run's server: the one named in the environment, else an embedded one that ends with the run."""
    given = os.environ.get("RETINUE_TEST_DATABASE_URL")
    major = os.environ.get("RETINUE_TEST_POSTGRES_MAJOR")
    server = _given_server(given) if given else embedded_server(run_directory(), binaries=_binaries(major))
    with server as found:
        yield found


@contextmanager
def embedded_server(directory: Path, *, binaries: Path) -> Iterator[DatabaseServer]:
    """Join the server that lives in `directory`: the first process starts it, the last one ends it."""
    with _locked():
        _end_abandoned()
        directory.mkdir(mode=0o700, exist_ok=True)
        record = _running(directory) or _start(directory, binaries)
        member = _join(directory)
    try:
        yield DatabaseServer(url=record["url"], name="retinue")
    finally:
        with _locked():
            member.unlink()
            if not _members(directory):
                end_server(directory)


def _end_abandoned() -> None:
    """End the servers of runs that were killed: those none of whose members lives."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        if not any(_alive(json.loads(path.read_text())) for path in _members(directory)):
            end_server(directory)


def end_server(directory: Path) -> None:
    """Stop the directory's server by pid, if it lives, and remove the directory."""
    record = _running(directory)
    if record is not None:
        os.kill(record["pid"], signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while _alive(record):
            if time.monotonic() > deadline:
                os.kill(record["pid"], signal.SIGKILL)
            time.sleep(0.02)  # the end of a process that is not our child gives no signal
    shutil.rmtree(directory)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _given_server(url: str) -> Iterator[DatabaseServer]:
    directory = run_directory()
    server = DatabaseServer(url=url, name=directory.name.replace("-", "_"))
    with _locked():
        directory.mkdir(mode=0o700, exist_ok=True)
        member = _join(directory)
    try:
        yield server
    finally:
        with _locked():
            member.unlink()
            if not _members(directory):
                server.drop_all()
                directory.rmdir()


def _start(directory: Path, binaries: Path) -> ServerRecord:
    port, password = free_port(), secrets.token_urlsafe(12)
    (directory / "postgres-password").write_text(password)
    pid = _launch(directory, ["--port", str(port), "--binaries", str(binaries)])
    url = database_url(port=port, password=password, database="postgres")
    record = ServerRecord(pid=pid, started=psutil.Process(pid).create_time(), url=url)
    _write(directory / "server.json", record)
    _wait_until_it_answers(record, log=directory / "log")
    return record


def _launch(directory: Path, options: list[str]) -> int:
    """Start the server as nobody's child, so that whichever process is the last to leave can end it; its pid."""
    command = [sys.executable, "-m", "infra.local.postgres_server", "--data", str(directory / "postgres"), *options]
    for name, value in FAST.items():
        command += ["--set", f"{name}={value}"]
    shell = ["/bin/sh", "-c", '"$@" >"$0" 2>&1 </dev/null & echo $!', str(directory / "log"), *command]
    return int(subprocess.check_output(shell))  # noqa: S603 - our own program


def _wait_until_it_answers(record: ServerRecord, *, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(record["url"], connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if not _alive(record) or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {error}\n{log.read_text()}") from error
            time.sleep(0.05)  # a server that is starting has no signal to wait on
        else:
            return


def _join(directory: Path) -> Path:
    member = directory / f"member-{os.getpid()}-{secrets.token_hex(3)}"
    _write(member, Identity(pid=os.getpid(), started=psutil.Process().create_time()))
    return member


def _members(directory: Path) -> list[Path]:
    return list(directory.glob("member-*"))


def _running(directory: Path) -> ServerRecord | None:
    path = directory / "server.json"
    if not path.exists():
        return None
    record: ServerRecord = json.loads(path.read_text())
    return record if _alive(record) else None


def _alive(identity: Identity) -> bool:
    try:
        process = psutil.Process(identity["pid"])
        return process.create_time() == identity["started"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _write(path: Path, content: Identity) -> None:
    path.write_text(json.dumps(content))


@contextmanager
def _locked() -> Iterator[None]:
    with Path(tempfile.gettempdir(), f"{_PREFIX}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_directory() -> Path:
    """Where the processes of one run find one another."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")[:12]
    return Path(tempfile.gettempdir(), f"{_PREFIX}-{run}")


def _binaries(major: str | None) -> Path:
    if major is None:
        return embedded_binaries()
    found = debian_binaries(int(major))
    if found is None:
        raise RuntimeError(f"RETINUE_TEST_POSTGRES_MAJOR={major}: Debian's PostgreSQL {major} is not installed")
    return found
