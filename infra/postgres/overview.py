"""What the manager's first page shows, read cheaply however many jobs there are.

How many jobs wait is what their lanes say. Those in flight, of which there are never many, are counted along an index
and no further than `COUNT_CAP` of each type and state. Finished ones come from `job_rollups`, never from history, and
their sums are kept between reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from infra.postgres.anomalies import AnomalyLine, list_anomalies
from infra.postgres.breakers import BreakerLine, list_breakers
from infra.postgres.connect import Database
from infra.postgres.finished_sums import FinishedSums
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.states import TERMINAL, JobState

#: Jobs in flight of one type and state are counted no further than this.
COUNT_CAP = 10_000

#: A process that fell silent without a word is shown this long, in seconds.
LOST_SHOWN_SECONDS = 900

#: Servants, and schedulers, shown at most.
MAX_PROCESSES = 200

#: Open incidents, anomalies and breakers, shown at most.
MAX_TROUBLES = 5

#: No read takes longer.
STATEMENT_TIMEOUT = "20s"

#: The states shown, in the order of a job's life.
UNFINISHED = (JobState.PENDING, JobState.QUEUED, JobState.RUNNING)
FINISHED = tuple(state for state in JobState if state in TERMINAL)

Figures = Mapping[JobState, int]


@dataclass(frozen=True, slots=True)
class TypeFigures:
    """One type's jobs. `slots` is None where no servant ever registered the type.

    A figure of jobs in flight above `COUNT_CAP` means "more than the cap".
    """

    type: str
    slots: int | None
    paused_at: datetime | None
    unfinished: Figures
    last_day: Figures
    in_all: Figures


@dataclass(frozen=True, slots=True)
class ServantRow:
    """A servant as its last heartbeat left it. `current_jobs` is what servants.runtime.heartbeat wrote."""

    id: int
    type: str
    host: str
    pid: int
    version: str
    state: str
    slots: int
    busy: int
    memory_bytes: int | None
    started_at: datetime
    heartbeat_at: datetime
    received_at: datetime | None
    current_jobs: list[dict[str, Any]]
    account_names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FleetRow:
    """The servants of a type: how many are up, late and gone; how many take jobs; and the slots of those not gone."""

    type: str
    up: int
    late: int
    gone: int
    live: int
    slots: int
    busy: int


@dataclass(frozen=True, slots=True)
class SchedulerRow:
    """A scheduler as its last heartbeat left it; `passes` has the figures of each pass by name."""

    id: int
    host: str
    pid: int
    version: str
    passes: Mapping[str, Mapping[str, Any]]
    started_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An open incident and whose connection it is about."""

    id: int
    kind: str
    connection_id: int
    provider: str
    connection_name: str
    account_name: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at one moment of the database's clock.

    `servants_left_out` and `incidents_left_out` had no place in their list. `open_breakers` are the first.
    """

    at: datetime
    servants: list[ServantRow]
    servants_left_out: int
    schedulers: list[SchedulerRow]
    types: list[TypeFigures]
    incidents: list[IncidentRow] = field(default_factory=list)
    incidents_left_out: int = 0
    open_breakers: list[BreakerLine] = field(default_factory=list)
    fleets: list[FleetRow] = field(default_factory=list)
    anomalies: list[AnomalyLine] = field(default_factory=list)


@dataclass(slots=True)
class OverviewReader:
    """Reads the overview; not for several threads at once, because it keeps sums of what no longer changes.

    A servant silent for more than `late_seconds` is late, and gone after `lost_seconds`.
    """

    _database: Database
    late_seconds: float = 10
    lost_seconds: float = 30
    _finished: FinishedSums = field(default_factory=FinishedSums)

    def read(self) -> Overview:
        """One look, in one transaction.

        Raises:
            DatabaseUnreachable, psycopg.Error: there is nothing to show.
        """
        with self._database.transaction() as connection:
            begin = statement("begin_overview")
            [(at, _)] = connection.execute(begin, {"statement_timeout": STATEMENT_TIMEOUT}).fetchall()
            servants, incidents = _servants(connection, self.late_seconds), _incidents(connection)
            return Overview(
                at=at.astimezone(UTC),
                servants=[row for row, _ in servants],
                servants_left_out=servants[0][1] - len(servants) if servants else 0,
                schedulers=_schedulers(connection),
                types=self._types(connection, at),
                incidents=[row for row, _ in incidents],
                incidents_left_out=incidents[0][1] - len(incidents) if incidents else 0,
                open_breakers=list_breakers(connection, limit=MAX_TROUBLES),
                fleets=self._fleets(connection),
                anomalies=list_anomalies(connection, limit=MAX_TROUBLES),
            )

    def _fleets(self, connection: psycopg.Connection) -> list[FleetRow]:
        patience = {"late_seconds": self.late_seconds, "lost_seconds": self.lost_seconds}
        return rows_as(connection, FleetRow, "overview_fleets", {"lost_shown_seconds": LOST_SHOWN_SECONDS, **patience})

    def _types(self, connection: psycopg.Connection, at: datetime) -> list[TypeFigures]:
        last_day, in_all = self._finished.read(connection, at)
        found = unfinished_by_type(connection)
        forgotten = {name for name, _ in in_all} - found.keys()
        found |= {name: (None, None, dict.fromkeys(UNFINISHED, 0)) for name in forgotten}
        return [
            TypeFigures(name, *found[name], last_day=_of(name, last_day), in_all=_of(name, in_all))
            for name in sorted(found)
        ]


def _of(name: str, counts: Mapping[tuple[str, JobState], int]) -> Figures:
    return {state: counts.get((name, state), 0) for state in FINISHED}


def unfinished_by_type(connection: psycopg.Connection) -> dict[str, tuple[int | None, datetime | None, Figures]]:
    """Each type's slots, since when it is paused, and its unfinished jobs; in flight `COUNT_CAP` and one at most."""
    pending: dict[str, int] = dict(connection.execute(statement("overview_pending")).fetchall())
    # For the rest of the transaction; statistics that are out of date could make a plan that reads a whole backlog.
    connection.execute(statement("read_along_indexes"))
    params = {"count_limit": COUNT_CAP + 1, "pending_types": list(pending)}
    return {
        name: (slots, paused_at, dict(zip(UNFINISHED, (pending.get(name, 0), *in_flight), strict=True)))
        for name, slots, paused_at, *in_flight in connection.execute(statement("overview_types"), params)
    }


def _servants(connection: psycopg.Connection, late_seconds: float) -> list[tuple[ServantRow, int]]:
    """The servants, each with how many there are in all; those in trouble are not among those left out."""
    rows = connection.execute(statement("overview_servants"), _limits() | {"late_seconds": late_seconds})
    return [(ServantRow(*row), in_all) for in_all, *row in rows]


def _schedulers(connection: psycopg.Connection) -> list[SchedulerRow]:
    return [SchedulerRow(*row) for row in connection.execute(statement("overview_schedulers"), _limits())]


def _incidents(connection: psycopg.Connection) -> list[tuple[IncidentRow, int]]:
    """The open incidents, each with how many there are in all."""
    rows = connection.execute(statement("overview_incidents"), {"limit": MAX_TROUBLES})
    return [(IncidentRow(*row), in_all) for *row, in_all in rows]


def _limits() -> dict[str, Any]:
    return {"lost_shown_seconds": LOST_SHOWN_SECONDS, "limit": MAX_PROCESSES}
