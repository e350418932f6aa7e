"""A PostgreSQL server that a test may kill and start again, its data kept."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg

from infra.local.postgres_server import database_url
from retinue.testing.postgres import FAST
from tests.support.manager_process import ROOT
from tests.support.postgres import free_port
from tests.support.race import wait_until


class OwnPostgres:
    """Runs while it is entered; `kill` is SIGKILL to the postmaster, and `start` recovers what was committed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        password = secrets.token_urlsafe(12)
        (directory / "postgres-password").write_text(password)
        self.url = database_url(port=self._port, password=password)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Returns once it answers."""
        settings = [word for name, value in FAST.items() for word in ("--set", f"{name}={value}")]
        command = ["--data", str(self._directory / "postgres"), "--port", str(self._port), *settings]
        with (self._directory / "log").open("a") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "infra.local.postgres_server", *command], cwd=ROOT, stderr=log, stdout=log
            )
        wait_until(self._answers, "the server does not answer")

    def kill(self) -> None:
        """Returns once its other processes have seen that the postmaster is gone, and ended, too."""
        others = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        psutil.wait_procs(others)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._directory / "log").read_text()
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
