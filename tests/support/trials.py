"""A fleet that knows the types of `tests.support.trial_servants`, each process with settings of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.machine import machine
from infra.postgres.bell import Bell
from infra.postgres.enqueue import NewJob, enqueue_many
from retinue.servant import GROUP, lent
from tests.support.fleet import TIMES, Fleet
from tests.support.prepared_machine import prepared_machine
from tests.support.trial_servants import SERVANTS, TABLES

LANE, TYPE, ORDER, WEIGHT = "trial.lane", "trial.type", "trial.order", "trial.weight"


@dataclass
class TrialFleet(Fleet):
    """Processes that are started again with the environment they had."""

    #: What one program's environment says differently from the others'.
    own_settings: dict[str, dict[str, str]] = field(default_factory=dict)
    _bell: Bell | None = None

    def start(self, name: str, *command: str) -> None:
        """Start one of our modules under this name."""
        self.machine.commands[name] = command
        environment = self.machine.environment | self.own_settings.get(name, {})
        self.machine.start_program(name, [sys.executable, "-m", *command], environment)

    def start_scheduler(self, name: str = "scheduler") -> None:
        self.start(name, "cli.main", "scheduler")

    def start_servant(self, name: str, job_type: str = LANE) -> None:
        self.start(name, "cli.main", "servant", job_type)

    def restart(self, name: str) -> None:
        self.start(name, *self.machine.commands[name])

    def enqueue_trials(self, jobs: list[NewJob]) -> list[int]:
        """Make these jobs and note in the same commit that they were made; their IDs."""
        with psycopg.connect(self.machine.url, connect_timeout=5) as connection:
            made = add_trials(connection, jobs)
        self.ring()
        return made

    def ring(self) -> None:
        """Wake the schedulers."""
        if self._bell is None:
            self._bell = Bell(self.machine.url)
        self._bell.ring()

    def silence_bell(self) -> None:
        """Close the bell's connection."""
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    def drained(self) -> bool:
        """Whether no job is left."""
        return self.number("SELECT count(*) FROM jobs") == 0


def add_trials(connection: psycopg.Connection, jobs: list[NewJob]) -> list[int]:
    """Make these jobs in the caller's transaction and note that they are made; their IDs."""
    made = [job.id for job in enqueue_many(connection, jobs)]
    note_enqueued(connection, made)
    return made


def note_enqueued(connection: psycopg.Connection, ids: list[int]) -> None:
    """Note in the caller's transaction that these jobs are made."""
    connection.execute("INSERT INTO trial_enqueued SELECT unnest(%s::bigint[])", (ids,))


def trial(job_type: str, **payload: object) -> NewJob:
    """A job of one of the trial types."""
    return NewJob(type=job_type, payload=payload)


@contextmanager
def trials(**settings: str) -> Iterator[TrialFleet]:
    """PostgreSQL with the tests' own tables, and SQS; the trial types are known here and to every process."""
    with machine(like=prepared_machine()) as host, lent(*SERVANTS.values()):
        host.extra = TIMES | trial_environment(host.directory) | settings
        with psycopg.connect(host.url) as connection:
            connection.execute(TABLES.encode())
        fleet = TrialFleet(host)
        with closing(fleet.looks):
            yield fleet
        fleet.silence_bell()


def trial_environment(directory: Path) -> dict[str, str]:
    """Settings with which a process finds the trial types: they are offered by a distribution made for it here."""
    package = directory / "packages" / "retinue_trials-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: retinue-trials\nVersion: 1.0\n")
    offered = [f"{made.name} = tests.support.trial_servants:{name}" for name, made in SERVANTS.items()]
    (package / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *offered, ""]))
    home = Path(__file__).resolve().parents[2]
    return {"PYTHONPATH": os.pathsep.join([str(package.parent), str(home)])}
