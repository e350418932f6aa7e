"""The embedded PostgreSQL server as a program that stays in the foreground.

    python -m infra.local.postgres_server --data DIR --port N

The first start makes the cluster. Then this process becomes the server, so that whoever keeps it sees the server's own
exit code and signals: SIGINT stops it fast, and a start after SIGKILL recovers from the write-ahead log.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import psutil

from infra.local.postgres_cluster import DATABASE, ROLE, embedded_binaries, ensure_cluster
from infra.local.privileges import become, own_directory, server_user
from infra.local.processes import MARK
from infra.supervisor.exits import leave_misconfigured
from retinue.errors import ConfigurationError

#: Durable, and sized for one machine that runs everything.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "5s",
    "max_logical_replication_workers": "0",
    "log_checkpoints": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}

#: What the server keeps of the environment: it has no use for Retinue's secrets.
_KEPT_ENVIRONMENT = ("PATH", "LANG", "TMPDIR", MARK, "SUPERVISOR_PROCESS_NAME")


def database_url(*, port: int, password: str, database: str = DATABASE) -> str:
    """Where the embedded server on `port` is reached by Retinue's role."""
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{database}"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        serve(options)
    except (ConfigurationError, OSError) as error:
        leave_misconfigured(f"postgres: {error}")


def serve(options: argparse.Namespace) -> NoReturn:
    """Become the server.

    Raises:
        ConfigurationError: the cluster cannot be made or used.
        OSError: a file or directory cannot be read, made or given to the server's user.
    """
    home: Path = options.data.resolve()
    binaries: Path = (options.binaries or embedded_binaries()).resolve()
    password = _password(options.password_file or home.parent / "postgres-password")
    user = server_user(home)
    own_directory(home, user)
    if user is not None:
        become(user, reading=[home, binaries, Path(__file__)])
    os.chdir(home)
    cluster = ensure_cluster(home, binaries=binaries, password=password)
    remove_stale_lock(cluster)
    _execute(binaries, cluster, port=options.port, changes=dict(options.set))


def _execute(binaries: Path, cluster: Path, *, port: int, changes: dict[str, str]) -> NoReturn:
    settings = {**SETTINGS, "port": str(port), **changes}
    command = [str(binaries / "postgres"), "-D", str(cluster)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    sys.stderr.flush()
    os.execve(command[0], command, kept)  # noqa: S606 - to become the server, without a shell, is the purpose


def remove_stale_lock(cluster: Path) -> None:
    """Remove `postmaster.pid` when the process it names is no server of this cluster.

    After a reboot or in a fresh container its number may belong to anything, and PostgreSQL would not start beside it.
    """
    lock = cluster / "postmaster.pid"
    if lock.exists() and not _serves(cluster, int(lock.read_text().split()[0])):
        lock.unlink()


def _serves(cluster: Path, pid: int) -> bool:
    """Whether the process is a server that works in the cluster's directory; one whose directory is hidden might."""
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()).resolve() == cluster
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _password(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise ConfigurationError(f"The password of the role {ROLE} is missing: write one to {path}") from None


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not name=value")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infra.local.postgres_server", description="Run the embedded PostgreSQL server."
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the server's files, made when missing")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument(
        "--password-file", type=Path, help="the role's password (default: postgres-password beside DATA)"
    )
    parser.add_argument("--binaries", type=Path, help="directory of another PostgreSQL's programs")
    parser.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="server setting"
    )
    return parser


if __name__ == "__main__":
    main()
