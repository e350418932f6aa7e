"""A fleet that everything can happen to: own wires and clock for each process, PostgreSQL's data on a small disk."""

from __future__ import annotations

import errno
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg

from bench.machine import Machine
from infra.keys import write_key_file
from retinue.servant import lent
from tests.support.faketime import clock_environment
from tests.support.fleet import TIMES
from tests.support.trial_servants import SERVANTS, TABLES
from tests.support.trials import LANE, ORDER, TYPE, TrialFleet, trial_environment
from tests.support.wires import Switchboard, Wire, switchboard

#: Room for PostgreSQL's files, and for what a run adds to them.
DISK_BYTES = 320 * 2**20

#: By name: the command of each process beside the two servers.
PROGRAMS = {
    "scheduler-0": ("scheduler",),
    "scheduler-1": ("scheduler",),
    "echo-0": ("servant", "system.echo"),
    "echo-1": ("servant", "system.echo"),
    "sleep-0": ("servant", "system.sleep"),
    "lane-0": ("servant", LANE),
    "lane-1": ("servant", LANE),
    "type-0": ("servant", TYPE),
    "order-0": ("servant", ORDER),
    "order-1": ("servant", ORDER),
}


@dataclass
class ChaosFleet(TrialFleet):
    """The processes, and what can be done to them."""

    disk: Path | None = None
    #: By process and server: the way from the one to the other.
    wires: dict[tuple[str, str], Wire] = field(default_factory=dict)

    def start_all(self, board: Switchboard) -> None:
        """Every process, each with wires and a clock of its own."""
        ports = {"postgres": urlsplit(self.machine.url).port or 0, "sqs": urlsplit(self.machine.sqs_url).port or 0}
        for name, command in PROGRAMS.items():
            for server, port in ports.items():
                self.wires[name, server] = board.wire(port)
            self.set_clock(name, 0)
            clock = clock_environment(self._clock(name), path=self.machine.extra["PYTHONPATH"])
            self.own_settings[name] = self._own(name, ports) | clock
            self.start(name, "cli.main", *command)

    def _own(self, name: str, ports: Mapping[str, int]) -> dict[str, str]:
        database = self.machine.url.replace(f":{ports['postgres']}/", f":{self.wires[name, 'postgres'].port}/")
        return {
            "RETINUE_DATABASE_URL": database,
            "RETINUE_SQS_ENDPOINT_URL": f"http://127.0.0.1:{self.wires[name, 'sqs'].port}",
        }

    def _clock(self, name: str) -> Path:
        return self.machine.directory / f"{name}.clock"

    def set_clock(self, name: str, seconds: int) -> None:
        """Let the process's clock be so many seconds off, from now on."""
        new = self._clock(name).with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self._clock(name))

    def freeze(self, name: str) -> Callable[[], None]:
        """Stop the process and its children; what lets them go on."""
        root = psutil.Process(self.machine.processes[name].pid)
        frozen = [root, *root.children(recursive=True)]
        for process in frozen:
            _signal(process, signal.SIGSTOP)

        def thaw() -> None:
            for process in frozen:
                _signal(process, signal.SIGCONT)

        return thaw

    def fill_disk(self) -> Callable[[], None]:
        """Leave no room for PostgreSQL's files; what makes room again."""
        assert self.disk is not None
        ballast = self.disk / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(2**20))
                    file.flush()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        return lambda: self._make_room(ballast)

    def _make_room(self, ballast: Path) -> None:
        ballast.unlink()
        self.revive("postgres")

    def revive(self, name: str) -> None:
        """Start a program again that has ended by itself, as supervisor would."""
        process = self.machine.processes.get(name)
        if process is not None and process.poll() is not None:
            self.restart(name)

    def revive_all(self) -> None:
        """Start again whatever has ended by itself."""
        for name in list(self.machine.processes):
            self.revive(name)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # PostgreSQL ends a backend when its client has gone


@contextmanager
def chaos_fleet(**settings: str) -> Iterator[ChaosFleet]:
    """Everything up and running; it ends with the block, also what is stopped."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="retinue-chaos-")))
        directory.chmod(0o711)
        stack.enter_context(lent(*SERVANTS.values()))
        disk = stack.enter_context(small_disk(directory / "postgres"))
        host = Machine.beside(directory)
        made = ChaosFleet(host, disk=disk)
        stack.callback(_end, made)
        stack.callback(made.looks.close)
        host.start_servers()
        write_key_file(directory / "keys")
        host.extra = TIMES | trial_environment(directory) | settings
        with psycopg.connect(host.url) as connection:
            connection.execute(TABLES.encode())
        stack.callback(made.silence_bell)
        made.start_all(stack.enter_context(switchboard()))
        yield made


def _end(fleet: ChaosFleet) -> None:
    for process in fleet.machine.processes.values():
        process.kill()
    for process in fleet.machine.processes.values():
        process.wait()


@contextmanager
def small_disk(where: Path) -> Iterator[Path]:
    """A disk of `DISK_BYTES` in memory at `where`; only root can make one."""
    where.mkdir(mode=0o711)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=711", "tmpfs", str(where)]
    subprocess.run(mount, check=True)  # noqa: S603 - the system's own program
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)  # noqa: S603, S607 - the system's own program
