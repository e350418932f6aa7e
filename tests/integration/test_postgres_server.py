"""The embedded PostgreSQL server as a process: first start, restart, SIGKILL, signals, and what it keeps out."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from infra.local.postgres_server import database_url
from infra.local.processes import MARK
from infra.supervisor.exits import CONFIGURATION_EXIT_CODE
from tests.support.postgres import DatabaseServer, debian_server, free_port

PASSWORD = "it's a password"


class Server:
    """One server process of a test."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.log = home / "log"
        self.process: subprocess.Popen[bytes] | None = None
        (home / "postgres-password").write_text(PASSWORD)

    def start(self) -> psycopg.Connection:
        command = [sys.executable, "-m", "infra.local.postgres_server", "--data", str(self.home / "postgres")]
        with self.log.open("a") as log:
            self.process = subprocess.Popen([*command, "--port", str(self.port)], stdout=log, stderr=log)  # noqa: S603 - our own program
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.connect()
            except psycopg.OperationalError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)  # a server that is starting has no signal to wait on

    def connect(self, *, user: str = "retinue", password: str = PASSWORD) -> psycopg.Connection:
        address = f"host=127.0.0.1 port={self.port} dbname=retinue"
        return psycopg.connect(address, user=user, password=password, connect_timeout=5, autocommit=True)

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    if server.process is not None and server.process.poll() is None:
        server.end(signal.SIGINT)


def test_first_start_makes_an_unprivileged_role_and_its_database(server: Server) -> None:
    with server.start() as connection:
        row = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, current_setting('data_checksums'),"
            " current_setting('fsync'), current_setting('synchronous_commit'), rolsuper, rolcreatedb"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (18, "on", "on", "on", False, True)


def test_only_the_role_with_its_password_gets_in(server: Server) -> None:
    server.start().close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect(password="wrong")
    with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
        server.connect(user="postgres")


def test_files_belong_to_an_unprivileged_user_and_nobody_else_reads_them(server: Server) -> None:
    server.start().close()
    assert server.process is not None
    status = (server.home / "postgres").stat()
    assert stat.S_IMODE(status.st_mode) == 0o700
    assert status.st_uid != 0
    assert psutil.Process(server.process.pid).uids().effective == status.st_uid


def test_the_server_does_not_inherit_secrets(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINUE_SECRET_KEY", "hush")
    monkeypatch.setenv(MARK, "unix:///mark")
    server.start().close()
    assert server.process is not None
    environment = psutil.Process(server.process.pid).environ()
    assert "RETINUE_SECRET_KEY" not in environment
    assert environment[MARK] == "unix:///mark"


def test_sigint_stops_it_although_a_client_is_connected(server: Server) -> None:
    with server.start() as connection:
        assert server.end(signal.SIGINT) == 0
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_committed_rows_survive_sigkill(server: Server) -> None:
    with server.start() as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
    assert (server.home / "postgres/cluster/postmaster.pid").exists()
    with server.start() as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    assert "database system was not properly shut down" in server.log.read_text()


def test_a_lock_file_that_names_a_stranger_does_not_keep_it_down(server: Server) -> None:
    server.start().close()
    server.end(signal.SIGINT)
    owner = (server.home / "postgres").stat().st_uid
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=owner if os.geteuid() == 0 else None)
    try:
        lock = server.home / "postgres/cluster/postmaster.pid"
        lock.write_text(f"{stranger.pid}\n{lock.parent}\n0\n{server.port}\n\n127.0.0.1\n\n")
        os.chown(lock, owner, -1)
        server.start().close()
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_first_start_is_begun_again(server: Server) -> None:
    draft = server.home / "postgres/cluster.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    if os.geteuid() == 0:
        for path in (draft.parent, draft):
            os.chown(path, 65534, 65534)
    server.start().close()
    assert not draft.exists()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.local.postgres_server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - our own program


def test_a_missing_password_is_named(tmp_path: Path) -> None:
    done = run("--data", str(tmp_path / "postgres"), "--port", "1")
    assert done.returncode == CONFIGURATION_EXIT_CODE
    assert str(tmp_path / "postgres-password") in done.stderr


def test_the_cluster_of_another_version_is_refused(server: Server) -> None:
    server.start().close()
    server.end(signal.SIGINT)
    (server.home / "postgres/cluster/PG_VERSION").write_text("17\n")
    done = run("--data", str(server.home / "postgres"), "--port", str(server.port))
    assert done.returncode == CONFIGURATION_EXIT_CODE
    assert "was made by PostgreSQL 17" in done.stderr


def test_a_taken_port_is_named_in_the_log(server: Server, tmp_path: Path) -> None:
    server.start().close()
    (tmp_path / "second").mkdir()
    (tmp_path / "second/postgres-password").write_text(PASSWORD)
    done = run("--data", str(tmp_path / "second/postgres"), "--port", str(server.port))
    assert done.returncode == 1
    assert 'could not bind IPv4 address "127.0.0.1": Address already in use' in done.stderr


def test_the_url_of_the_role() -> None:
    assert database_url(port=5, password="p", database="d") == "postgresql://retinue:p@127.0.0.1:5/d"


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE filled (n int)")


def test_fresh_databases_are_copies_of_the_template_and_are_dropped(postgres: DatabaseServer) -> None:
    template = postgres.template_database(fill, key="filled")
    with postgres.fresh_database(template) as url, psycopg.connect(url) as connection:
        connection.execute("INSERT INTO filled VALUES (1)")
        connection.commit()
        with postgres.fresh_database(template) as other, psycopg.connect(other) as second:
            assert second.execute("SELECT count(*) FROM filled").fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_the_template_is_made_once(postgres: DatabaseServer) -> None:
    calls: list[str] = []
    names = {postgres.template_database(calls.append, key="once") for _ in range(2)}
    assert len(names) == 1
    assert len(calls) <= 1


def test_a_template_that_failed_is_made_again(postgres: DatabaseServer) -> None:
    def fail(url: str) -> None:
        raise ValueError(url)

    with pytest.raises(ValueError, match="draft"):
        postgres.template_database(fail, key="failing")
    with postgres.fresh_database(postgres.template_database(fill, key="failing")) as url:
        psycopg.connect(url).close()


def test_debian_15_serves_the_same_way() -> None:
    with debian_server(15) as server, server.fresh_database() as url, psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting('server_version_num')::int / 10000, current_user").fetchone()
        assert row == (15, "retinue")
