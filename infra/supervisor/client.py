"""A running supervisord, asked over its Unix socket (supervisord.org/api.html)."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from retinue.errors import RetinueError

TIMEOUT_SECONDS = 10

#: How much of a log's end is read to find its last lines.
_TAIL_BYTES = 65_536

# supervisor.xmlrpc.Faults
_SUCCESS = 80
_ALREADY_STARTED = 60
_NOT_RUNNING = 70


class SupervisorUnreachable(RetinueError):
    """supervisord does not answer."""


class SupervisorFault(RetinueError):
    """supervisord refused a request."""


class ProcessState(StrEnum):
    """What supervisord says of a process (supervisord.org/subprocess.html, "Process States")."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"

    @property
    def is_at_rest(self) -> bool:
        """Whether there is no process, nor will there be one until it is started by name."""
        return self in (self.STOPPED, self.EXITED, self.FATAL)


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process; times are seconds since 1970, 0 for never; `pid` is 0 when there is none."""

    program: str
    name: str
    state: ProcessState
    pid: int
    started: int
    stopped: int
    now: int
    exit_status: int
    error: str
    log: Path

    @property
    def uptime_seconds(self) -> int:
        """How long it has run, 0 when it does not."""
        return max(0, self.now - self.started) if self.pid else 0

    @classmethod
    def parse(cls, info: Mapping[str, Any]) -> ProcessInfo:
        """From the struct of `supervisor.getProcessInfo`."""
        return cls(
            program=info["group"],
            name=info["name"],
            state=ProcessState(info["statename"]),
            pid=info["pid"],
            started=info["start"],
            stopped=info["stop"],
            now=info["now"],
            exit_status=info["exitstatus"],
            error=info["spawnerr"],
            # An event listener talks to supervisord on its standard output, and logs on the other one.
            log=Path(info["stderr_logfile"] or info["stdout_logfile"]),
        )


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """What the running supervisord was told about a program."""

    name: str
    priority: int
    stop_seconds: int


class Supervisor:
    """A supervisord. Every method raises `SupervisorUnreachable` when nobody answers at the socket."""

    def __init__(self, socket_path: Path) -> None:
        self.socket_path = socket_path

    def state(self) -> str:
        """`RUNNING`, `RESTARTING`, `SHUTDOWN` or `FATAL`."""
        with self._server() as server:
            return str(server.getState()["statename"])

    def is_running(self) -> bool:
        """Whether it answers, and is not about to leave."""
        try:
            return self.state() == "RUNNING"
        except SupervisorUnreachable:
            return False

    def pid(self) -> int:
        """Its process number."""
        with self._server() as server:
            return int(server.getPID())

    def configurations(self) -> list[ProgramInfo]:
        """Every program as it was configured, a row for each of its processes."""
        with self._server() as server:
            return [
                ProgramInfo(info["group"], int(info["group_prio"]), int(info["stopwaitsecs"]))
                for info in server.getAllConfigInfo()
            ]

    def processes(self) -> list[ProcessInfo]:
        """Every process, by name."""
        with self._server() as server:
            return [ProcessInfo.parse(info) for info in server.getAllProcessInfo()]

    def of_program(self, program: str) -> list[ProcessInfo]:
        """The processes of one program, by name."""
        return [process for process in self.processes() if process.program == program]

    def start(self, program: str) -> None:
        """Start the program's processes and return at once; one that runs already is left alone.

        Raises:
            SupervisorFault: there is no such program, or a process cannot be started.
        """
        with self._server() as server:
            _require(server.startProcessGroup(program, False), _ALREADY_STARTED)

    def stop(self, program: str) -> None:
        """Ask the program's processes to stop and return at once; one that does not run is left alone.

        Raises:
            SupervisorFault: there is no such program, or a process cannot be stopped.
        """
        with self._server() as server:
            _require(server.stopProcessGroup(program, False), _NOT_RUNNING)

    def shutdown(self) -> None:
        """Ask it to stop what runs, higher tiers first, and to leave; returns at once."""
        with self._server() as server:
            server.shutdown()

    def log_tail(self, size: int) -> str:
        """The last `size` bytes of supervisord's own log.

        Raises:
            SupervisorFault: it keeps none.
        """
        with self._server() as server:
            return str(server.readLog(-size, 0))

    def tail(self, process: ProcessInfo, lines: int) -> list[str]:
        """The last lines that the process logged."""
        return last_lines(process.log, lines)

    @contextmanager
    def _server(self) -> Iterator[Any]:
        transport = _UnixTransport(self.socket_path)
        try:
            with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport) as server:
                yield server.supervisor
        except xmlrpc.client.Fault as fault:
            raise SupervisorFault(f"supervisord at {self.socket_path}: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise SupervisorUnreachable(f"No supervisord answers at {self.socket_path}: {error}") from error


def _require(results: list[Mapping[str, Any]], also_good: int) -> None:
    """Raise for the first process whose result is neither success nor `also_good`."""
    for result in results:
        if result["status"] not in (_SUCCESS, also_good):
            raise SupervisorFault(f"supervisord, of {result['name']}: {result['description']}")


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a text file, oldest first; none when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: xmlrpc.client._HostType) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = (host, connection)  # which `close` closes
        return connection
