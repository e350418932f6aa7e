"""Real processes for fault tests: PostgreSQL, SQS, a scheduler, servants; killed, stopped and started again."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

import psycopg

from bench.machine import Machine, machine
from infra.keys import read_key_file
from infra.postgres.bell import Bell
from infra.postgres.enqueue import NewJob, enqueue_many
from infra.secrets import Keyring
from tests.support.prepared_machine import prepared_machine

ECHO = "system.echo"

#: Short enough that a test sees a lease run out, long enough for a busy machine.
TIMES = {
    "RETINUE_LEASE_SECONDS": "4",
    "RETINUE_HEARTBEAT_SECONDS": "1",
    "RETINUE_QUEUED_TIMEOUT_SECONDS": "4",
    "RETINUE_DRAIN_GRACE_SECONDS": "2",
}

WAIT_SECONDS = 90


class Looks:
    """What the database says, by one connection that is kept: tests look many times a second."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._kept: psycopg.Connection | None = None
        self._one_at_a_time = threading.Lock()

    def rows(self, query: str, params: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """What a query finds; the server may have been started again since the last one.

        Raises:
            psycopg.OperationalError: the database is away.
        """
        with self._one_at_a_time:
            if self._kept is not None:
                with suppress(psycopg.OperationalError):
                    return self._kept.execute(query.encode(), params).fetchall()
                self.close()
            self._kept = psycopg.connect(self._machine.url, autocommit=True, connect_timeout=5)
            return self._kept.execute(query.encode(), params).fetchall()

    def close(self) -> None:
        """Close the connection; the next look opens another."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None


@dataclass
class Fleet:
    """The processes by name, and what the database says of their work."""

    machine: Machine
    looks: Looks = field(init=False)

    def __post_init__(self) -> None:
        self.looks = Looks(self.machine)

    def start_scheduler(self, name: str = "scheduler") -> None:
        self.machine.start(name, "cli.main", "scheduler")

    def start_servant(self, name: str, job_type: str = ECHO) -> None:
        self.machine.start(name, "cli.main", "servant", job_type)

    def signal(self, name: str, number: signal.Signals) -> None:
        self.machine.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until the process is gone."""
        process = self.machine.processes.pop(name)
        process.kill()
        process.wait()

    def restart(self, name: str) -> None:
        """Start a killed process again as it was started before."""
        self.machine.start(name, *self.machine.commands[name])

    def exit_status(self, name: str) -> int:
        """Wait until the process has ended by itself."""
        return self.machine.processes.pop(name).wait(WAIT_SECONDS)

    def log(self, name: str) -> str:
        return (self.machine.directory / f"{name}.log").read_text()

    def enqueue(self, *payloads: Mapping[str, object], job_type: str = ECHO, account_id: int = 1) -> list[int]:
        """One job for each payload, in one commit."""
        with psycopg.connect(self.machine.url) as connection:
            made = enqueue_many(connection, [NewJob(type=job_type, payload=p, account_id=account_id) for p in payloads])
        bell = Bell(self.machine.url)
        bell.ring()
        bell.close()
        return [job.id for job in made]

    def keyring(self) -> Keyring:
        """What the processes open credentials with."""
        return Keyring(read_key_file(self.machine.directory / "keys")[0])

    def rows(self, query: str, *params: object) -> list[tuple[object, ...]]:
        return self.looks.rows(query, params)

    def number(self, query: str, *params: object) -> int:
        return int(str(self.rows(query, *params)[0][0]))

    def wait(
        self, condition: Callable[[], object], what: str, seconds: float = WAIT_SECONDS, *, every: float = 0.05
    ) -> None:
        """Wait until `condition` holds, looking so often; the database may be away meanwhile."""
        deadline, away = time.monotonic() + seconds, None
        while True:
            try:
                if condition():
                    return
                away = None
            except psycopg.OperationalError as error:
                away = error  # it was killed on purpose; the deadline still counts
            if time.monotonic() > deadline:
                logs = "\n".join(f"== {name}\n{self.log(name)[-1500:]}" for name in self.machine.commands)
                raise AssertionError(f"waited {seconds} s for {what}\n{logs}") from away
            time.sleep(every)  # other processes' progress in the database gives no signal to wait on

    def finished(self) -> int:
        return self.number("SELECT count(*) FROM job_history")


@contextmanager
def fleet(**settings: str) -> Iterator[Fleet]:
    """PostgreSQL and SQS up, nothing else yet; everything ends with the block."""
    with machine(like=prepared_machine()) as host:
        host.extra = TIMES | settings
        made = Fleet(host)
        with closing(made.looks):
            yield made
