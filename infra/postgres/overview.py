"""What the manager's first page shows, read cheaply however many jobs there are.

Unfinished jobs are counted along an index and no further than `COUNT_CAP` of each type and state; finished ones come
from `job_rollups`, never from history. Rollups older than a day no longer change, so their sum is kept between reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from infra.postgres.breakers import BreakerLine, list_breakers
from infra.postgres.connect import Database
from infra.postgres.statements import statement
from retinue.states import TERMINAL, JobState

#: Unfinished jobs of one type and state are counted no further than this.
COUNT_CAP = 10_000

#: A process that fell silent without a word is shown this long, in seconds.
LOST_SHOWN_SECONDS = 900

#: Servants, and schedulers, shown at most.
MAX_PROCESSES = 200

#: Open incidents, and open breakers, shown at most.
MAX_TROUBLES = 5

#: No read takes longer.
STATEMENT_TIMEOUT = "20s"

#: The day that the page shows, and an hour more so that the boundary moves only once an hour.
_OPEN = timedelta(hours=25)

_BEGINNING = datetime.min.replace(tzinfo=UTC)

#: The states shown, in the order of a job's life.
UNFINISHED = (JobState.PENDING, JobState.QUEUED, JobState.RUNNING)
FINISHED = tuple(state for state in JobState if state in TERMINAL)

Figures = Mapping[JobState, int]


@dataclass(frozen=True, slots=True)
class TypeFigures:
    """One type's jobs. `slots` is None where no servant ever registered the type.

    A figure of `unfinished` above `COUNT_CAP` means "more than the cap".
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


@dataclass(slots=True)
class OverviewReader:
    """Reads the overview; not for several threads at once, because it keeps the sum of what no longer changes."""

    _database: Database
    _closed_until: datetime = _BEGINNING
    _closed: Counter[tuple[str, JobState]] = field(default_factory=Counter)

    def read(self) -> Overview:
        """One look, in one transaction.

        Raises:
            DatabaseUnreachable, psycopg.Error: there is nothing to show.
        """
        with self._database.transaction() as connection:
            begin = statement("begin_overview")
            [(at, _)] = connection.execute(begin, {"statement_timeout": STATEMENT_TIMEOUT}).fetchall()
            servants, incidents = _servants(connection), _incidents(connection)
            return Overview(
                at=at.astimezone(UTC),
                servants=[row for row, _ in servants],
                servants_left_out=servants[0][1] - len(servants) if servants else 0,
                schedulers=_schedulers(connection),
                types=self._types(connection, at),
                incidents=[row for row, _ in incidents],
                incidents_left_out=incidents[0][1] - len(incidents) if incidents else 0,
                open_breakers=list_breakers(connection, limit=MAX_TROUBLES),
            )

    def _types(self, connection: psycopg.Connection, at: datetime) -> list[TypeFigures]:
        self._close(connection, at)
        last_day: Counter[tuple[str, JobState]] = Counter()
        in_all = Counter(self._closed)
        rows = connection.execute(statement("overview_finished"), {"since": self._closed_until})
        for name, state, jobs, jobs_of_day in rows:
            last_day[name, JobState(state)] = jobs_of_day
            in_all[name, JobState(state)] += jobs
        found = _unfinished(connection)
        forgotten = {name for name, _ in in_all} - found.keys()
        found |= {name: (None, None, dict.fromkeys(UNFINISHED, 0)) for name in forgotten}
        return [
            TypeFigures(name, *found[name], last_day=_of(name, last_day), in_all=_of(name, in_all))
            for name in sorted(found)
        ]

    def _close(self, connection: psycopg.Connection, at: datetime) -> None:
        """Add the hours that have become older than a day to the sum that is kept."""
        until = (at - _OPEN).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if until <= self._closed_until:
            return
        span = {"since": self._closed_until, "until": until}
        for name, state, jobs in connection.execute(statement("overview_finished_before"), span).fetchall():
            self._closed[name, JobState(state)] += jobs
        self._closed_until = until


def _of(name: str, counts: Mapping[tuple[str, JobState], int]) -> Figures:
    return {state: counts.get((name, state), 0) for state in FINISHED}


def _unfinished(connection: psycopg.Connection) -> dict[str, tuple[int | None, datetime | None, Figures]]:
    # For the rest of the transaction; statistics that are out of date could make a plan that reads a whole backlog.
    connection.execute(statement("count_along_indexes"))
    rows = connection.execute(statement("overview_types"), {"count_limit": COUNT_CAP + 1})
    return {
        name: (slots, paused_at, dict(zip(UNFINISHED, counts, strict=True))) for name, slots, paused_at, *counts in rows
    }


def _servants(connection: psycopg.Connection) -> list[tuple[ServantRow, int]]:
    """The servants, each with how many there are in all."""
    rows = connection.execute(statement("overview_servants"), _limits())
    return [(ServantRow(*row), in_all) for in_all, *row in rows]


def _schedulers(connection: psycopg.Connection) -> list[SchedulerRow]:
    return [SchedulerRow(*row) for row in connection.execute(statement("overview_schedulers"), _limits())]


def _incidents(connection: psycopg.Connection) -> list[tuple[IncidentRow, int]]:
    """The open incidents, each with how many there are in all."""
    rows = connection.execute(statement("overview_incidents"), {"limit": MAX_TROUBLES})
    return [(IncidentRow(*row), in_all) for *row, in_all in rows]


def _limits() -> dict[str, Any]:
    return {"lost_shown_seconds": LOST_SHOWN_SECONDS, "limit": MAX_PROCESSES}
