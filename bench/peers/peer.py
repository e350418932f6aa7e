"""A peer as a contestant: its programs run in the peers' environment, and count what they finish in files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.contestants import NAP, NOOP, RATE, Contestant
from bench.machine import Machine
from bench.peers.environment import node_environment, python_environment
from bench.processes import pss

ROOT = Path(__file__).parents[2]

#: Seconds until both workers must have worked.
WARM_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the catalogue: what is measured, how it is set, and what its programs need."""

    name: str
    setting: str
    #: A module of bench.peers.programs, or a file of the node folder.
    program: str
    bulk: bool = True
    #: Worker commands that are started; a library that forks its two processes itself needs one.
    workers: int = 2
    redis: bool = False
    most: int = 200_000
    environment: dict[str, str] = field(default_factory=dict)
    #: A query of one boolean: whether work is left that has not been written down as done.
    left: str | None = None


class Peer(Contestant):
    """One entry of the catalogue on one machine."""

    def __init__(self, machine: Machine, entry: Entry, *, home: Path) -> None:
        self.name, self.setting, self.bulk, self.most = entry.name, entry.setting, entry.bulk, entry.most
        self.machine = machine
        self._entry = entry
        self._home = home
        self._directory = machine.directory / "peer"
        self._processes: list[psutil.Process] = []
        self._connection: psycopg.Connection | None = None

    @contextmanager
    def up(self) -> Iterator[None]:
        self._start_clean()
        self._ask("prepare")
        names = [f"{self._entry.program}-{n}" for n in range(self._entry.workers)]
        try:
            for name in names:
                process = self.machine.start_program(name, [*self._command(), "work"], self._environment())
                self._processes.append(process)
            self._warm_up()
            yield
        finally:
            self.release()
            for name in names:
                if name in self.machine.processes:
                    self.machine.stop(name)
            self._processes = []
            self._disconnect()

    def hold(self) -> None:
        """The workers are stopped as a whole, so that nothing is fetched ahead."""
        for process in self._tree():
            process.send_signal(signal.SIGSTOP)

    def release(self) -> None:
        for process in self._tree():
            process.send_signal(signal.SIGCONT)

    def fill(self, task: str, jobs: int) -> float:
        return float(self._ask("fill", task, str(jobs))["seconds"])

    def single(self, seconds: float) -> float:
        told = self._ask("single", str(seconds))
        return float(told["jobs"] / told["seconds"])

    def trickle(self, jobs: int) -> list[float]:
        goal = self.finished() + jobs
        self._ask("trickle", str(jobs), str(RATE))
        self.wait_for(lambda: self.finished() >= goal, "the stamped jobs")
        lines = (self._directory / "stamps").read_text().splitlines()[-jobs:]
        return [1000 * (float(began) - float(sent)) for sent, began in (line.split() for line in lines)]

    def finished(self) -> int:
        return sum(_read_count(path) for path in self._counters())

    def settled(self) -> bool:
        if self._entry.left is None:
            return True
        row = self._database().execute(self._entry.left).fetchone()
        return row is not None and not row[0]

    def memory(self) -> float:
        return sum(pss(process) for process in self._tree())

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        self.machine.wait_for(condition, f"{what} of {self.name}", seconds)

    def _start_clean(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()
        with psycopg.connect(self.machine.maintenance_url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS peer WITH (FORCE)")
            connection.execute("CREATE DATABASE peer")
        if self._entry.redis:
            self.machine.restart_redis()

    def _warm_up(self) -> None:
        """Naps, until both processes have had some: the first jobs find cold caches."""
        deadline = time.monotonic() + WARM_SECONDS
        filled = 0
        while len(self._counters()) < 2:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: only {len(self._counters())} of its processes worked")
            self.fill(NAP, 40)
            filled += 40
            self.wait_for(lambda goal=filled: self.finished() >= goal, "the warm-up", WARM_SECONDS)  # type: ignore[misc]
        self.fill(NOOP, 200)
        self.wait_for(lambda: self.finished() >= filled + 200, "the warm-up", WARM_SECONDS)

    def _counters(self) -> list[Path]:
        return list(self._directory.glob("*.count"))

    def _tree(self) -> list[psutil.Process]:
        trees = ([process, *process.children(recursive=True)] for process in self._processes if process.is_running())
        return [process for tree in trees for process in tree]

    def _ask(self, *arguments: str) -> dict[str, Any]:
        """Run one of the program's commands to its end; what it told, if anything."""
        done = subprocess.run(
            [*self._command(), *arguments], env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(arguments)} failed\n{done.stderr[-2000:]}")
        told = done.stdout.strip().splitlines()
        return dict(json.loads(told[-1])) if told else {}

    def _command(self) -> list[str]:
        program = self._entry.program
        if program.endswith(".js"):
            return ["node", str(node_environment(self._home) / program)]
        return [str(python_environment(self._home)), "-m", f"bench.peers.programs.{program}"]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "BENCH_DIRECTORY": str(self._directory),
            "BENCH_DATABASE_URL": self._url,
            "BENCH_REDIS_URL": self.machine.redis_url,
            "BENCH_SQS_URL": self.machine.sqs_url,
            "AWS_ACCESS_KEY_ID": "retinue",
            "AWS_SECRET_ACCESS_KEY": "retinue",
            "AWS_DEFAULT_REGION": "us-east-1",
            **self._entry.environment,
        }

    @property
    def _url(self) -> str:
        return self.machine.maintenance_url.rpartition("/")[0] + "/peer"

    def _database(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read_count(path: Path) -> int:
    content = path.read_bytes()
    return int(struct.unpack("<q", content)[0]) if len(content) == 8 else 0
