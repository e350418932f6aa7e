"""A real supervisord with a scheduler, servants and the listener that notes how they end, on one database."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from infra.keys import write_key_file
from infra.settings import load_settings
from infra.supervisor.client import ProcessState, Supervisor
from infra.supervisor.programs import Program, programs
from infra.supervisor.render import Place, render_supervisord
from tests.support.product import user_environment
from tests.support.race import wait_until

#: Short enough that a test sees a heartbeat bring something back.
TIMES = {"RETINUE_HEARTBEAT_SECONDS": "1", "RETINUE_LEASE_SECONDS": "10", "RETINUE_METRICS_PORT": "off"}


@dataclass
class Supervised:
    """What runs below one supervisord."""

    directory: Path
    sql: psycopg.Connection
    supervisor: Supervisor

    def wait_for(self, condition: str, *params: object) -> None:
        """Wait until this SQL is true."""
        wait_until(
            lambda: self.sql.execute(f"SELECT {condition}".encode(), params).fetchone() == (True,),
            f"{condition}\n{self.logs()}",
        )

    def wait_until_started(self, program: str) -> None:
        """Wait until the start of its processes counts: before, supervisord takes an end for a failed start."""
        wait_until(
            lambda: all(one.state is ProcessState.RUNNING for one in self.supervisor.of_program(program)),
            f"{program} did not start\n{self.logs()}",
        )

    def logs(self) -> str:
        """The end of every log."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-2000:]}" for path in self.directory.glob("*.log"))


@contextmanager
def supervised(
    url: str, sql: psycopg.Connection, types: Mapping[str, int], *more: Program, scheduler: bool = True
) -> Iterator[Supervised]:
    """supervisord with these servants; PostgreSQL carries the messages. Everything ends with the block."""
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="ret") as name:
        directory = Path(name)
        settings = _settings(directory, url)
        declared = programs(load_settings(env_file=None), types, None)
        left_out = {"manager"} if scheduler else {"manager", "scheduler"}
        text = render_supervisord([*(p for p in declared if p.name not in left_out), *more], _place(directory))
        (directory / "supervisord.conf").write_text(text)
        command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(directory / "supervisord.conf")]
        with subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, cwd=directory) as process:  # noqa: S603 - supervisor's own module
            try:
                yield Supervised(directory, sql, Supervisor(directory / "s.sock"))
            finally:
                process.terminate()
                process.wait(60)


def _place(directory: Path) -> Place:
    return Place(socket=directory / "s.sock", pidfile=directory / "s.pid", log_dir=directory)


def _settings(directory: Path, url: str) -> dict[str, str]:
    write_key_file(directory / "keys")
    return user_environment(
        RETINUE_DATABASE_URL=url,
        RETINUE_TRANSPORT="postgres",
        RETINUE_SECRET_KEY_FILE=str(directory / "keys"),
        PYTHONPATH=str(Path.cwd()),
        **TIMES,
    )
