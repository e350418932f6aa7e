"""Whether a server of the stack is ready: each check returns None when it is, else what is missing."""

from __future__ import annotations

import http.client
import socket
import time
from urllib.parse import urlsplit

import psutil
import psycopg

from infra.local.steps import StepFailed
from infra.supervisor.client import ProcessInfo, ProcessState, Supervisor
from infra.supervisor.exits import CONFIGURATION_EXIT_CODE

_TIMEOUT_SECONDS = 3

#: So many starts that end at once are taken for a fault that does not mend itself.
_FAILED_STARTS = 2

#: How often supervisord is asked, however often a check is made.
_LOOK_SECONDS = 0.25


def missing_database(url: str) -> str | None:
    """Whether PostgreSQL at `url` answers a query."""
    try:
        with psycopg.connect(url, connect_timeout=_TIMEOUT_SECONDS) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return str(error).strip()
    return None


def missing_listener(supervisor: Supervisor, program: str, *, port: int) -> str | None:
    """Whether the program, or what it started, listens at the port: then what answers there is ours."""
    pids = [process.pid for process in supervisor.of_program(program) if process.pid]
    if any(_listens(pid, port) for pid in pids):
        return None
    return f"{program} does not listen on port {port}"


def _listens(pid: int, port: int) -> bool:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        rows = [row for member in family for row in member.net_connections(kind="tcp")]
    except psutil.NoSuchProcess:
        # It left in this moment, as a server does whose port is taken; `ProgramWatch` tells.
        return False
    return any(row.status == psutil.CONN_LISTEN and row.laddr[1] == port for row in rows)


def missing_answer(url: str, *, path: str = "/") -> str | None:
    """Whether an HTTP server answers at all, be it with a refusal."""
    status, text = _get(url, path)
    return text if status is None else None


def missing_ok(url: str, *, path: str) -> str | None:
    """Whether an HTTP server answers 200."""
    status, text = _get(url, path)
    if status == http.client.OK:
        return None
    return text if status is None else f"{path} answers {status}: {text}"


def missing_greeting(port: int) -> str | None:
    """Whether an IMAP server on 127.0.0.1 greets (RFC 3501 §7.1.1)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS) as connection:
            greeting = connection.makefile("rb").readline(1000)
    except OSError as error:
        return f"127.0.0.1:{port} does not answer: {error}"
    return None if greeting.startswith(b"* OK") else f"127.0.0.1:{port} does not greet as an IMAP server"


def _get(url: str, path: str) -> tuple[int | None, str]:
    """The status and body, or no status and what went wrong."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read(2000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return None, f"{address.netloc} does not answer: {error}"
    finally:
        connection.close()


class ProgramWatch:
    """Notices that a program which was started has left instead of becoming ready."""

    def __init__(self, supervisor: Supervisor, *, program: str | None = None) -> None:
        """Watch one program, or all that were started."""
        self._supervisor = supervisor
        self._program = program
        self._failed_starts: set[tuple[str, int]] = set()
        self._next_look = 0.0

    def require_alive(self) -> None:
        """Look, unless that was done a moment ago.

        Raises:
            StepFailed: a process has left, or leaves as soon as it is started.
        """
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_SECONDS
            for process in self._supervisor.processes():
                if process.started and self._program in (None, process.program):
                    self._judge(process)

    def _judge(self, process: ProcessInfo) -> None:
        if process.state.is_at_rest:
            raise StepFailed(_farewell(process), process=process.name)
        if process.state is ProcessState.BACKOFF:
            self._failed_starts.add((process.name, process.started))
            if len(self._failed_starts) >= _FAILED_STARTS:
                raise StepFailed(f"{process.name} leaves as soon as it is started", process=process.name)


def _farewell(process: ProcessInfo) -> str:
    if process.exit_status == CONFIGURATION_EXIT_CODE:
        return f"{process.name} finds its configuration wrong"
    if process.state is ProcessState.EXITED:
        return f"{process.name} left with exit status {process.exit_status}"
    return f"{process.name} does not run: {process.error or process.state.lower()}"
