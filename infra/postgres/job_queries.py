"""Jobs as people look at them: the newest that fit a filter, and everything about one.

Secrets are masked here and in `job_details`, so that no screen has to think of it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.coming_tries import ComingTry
from infra.postgres.job_details import JobDetails, JobEvent, find_job, masked_payload, show_job
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.redaction import redact
from retinue.states import IN_FLIGHT, TERMINAL, JobState, Reason

__all__ = [
    "ComingTry",
    "JobDetails",
    "JobEvent",
    "JobFilter",
    "JobLine",
    "JobList",
    "find_job",
    "list_jobs",
    "masked_payload",
    "show_job",
]

#: The most jobs one listing shows.
MAX_LISTED = 1000

#: How long a listing looks back through jobs that do not fit its filter, in seconds.
SEARCH_SECONDS = 2.0

# A search goes back in windows: the first is small because most filters fit soon, later ones are worth their call.
_FIRST_WINDOW = 2_000
_LARGEST_WINDOW = 100_000
_AFTER_ALL_IDS = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list; None takes all."""

    type: str | None = None
    states: Collection[JobState] | None = None
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job in a listing. `run_seconds` is its last attempt's."""

    id: int
    type: str
    account_id: int | None
    account_name: str | None
    lane: str
    priority: int
    state: JobState
    reason: Reason
    attempt: int
    failures: int
    created_at: datetime
    run_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
    run_seconds: float | None
    progress_done: int | None
    progress_total: int | None
    error: Any


@dataclass(frozen=True, slots=True)
class JobList:
    """The newest jobs first. `searched_to` is the job at which an unfinished search gave up, None when it did not."""

    jobs: list[JobLine]
    searched_to: int | None = None


def list_jobs(
    connection: psycopg.Connection, wanted: JobFilter, *, limit: int = 50, search_seconds: float = SEARCH_SECONDS
) -> JobList:
    """The `limit` newest jobs that fit, at most `MAX_LISTED`.

    Answers soon with any number of jobs: where few fit, it goes back for `search_seconds` and then says how far it got.
    """
    limit = min(limit, MAX_LISTED)
    states = frozenset(JobState if wanted.states is None else wanted.states)
    deadline = time.monotonic() + search_seconds
    found: list[JobLine] = []
    given_up: list[int] = []
    for name, sought in _sources(states):
        search = _Search(connection, name, _params(wanted, sought, limit), deadline)
        found += search.run()
        given_up += [] if search.given_up_at is None else [search.given_up_at]
    found.sort(key=lambda job: -job.id)
    return JobList([_presentable(job) for job in found[:limit]], max(given_up, default=None))


def _sources(states: frozenset[JobState]) -> Iterator[tuple[str, frozenset[JobState]]]:
    """The statements that together find jobs in these states."""
    if states & TERMINAL:
        yield "list_finished_jobs", states & TERMINAL
    unfinished = states - TERMINAL
    if unfinished and unfinished <= IN_FLIGHT:
        yield "list_in_flight_jobs", unfinished
    elif unfinished:
        yield "list_unfinished_jobs", unfinished


def _params(wanted: JobFilter, states: Collection[JobState], limit: int) -> dict[str, Any]:
    return {
        "type": wanted.type,
        "states": [state.value for state in states],
        "account_id": wanted.account_id,
        "limit": limit,
    }


class _Search:
    """Goes back through one table until enough jobs fit, it ends, or the time is up."""

    def __init__(self, connection: psycopg.Connection, name: str, params: dict[str, Any], deadline: float) -> None:
        self._connection = connection
        self._name = name
        self._params = params
        self._deadline = deadline
        #: The oldest job looked at when the time was up.
        self.given_up_at: int | None = None

    def run(self) -> list[JobLine]:
        if self._name == "list_in_flight_jobs":
            return rows_as(self._connection, JobLine, self._name, self._params)
        limit, before, window = self._params["limit"], _AFTER_ALL_IDS, _FIRST_WINDOW
        found: list[JobLine] = []
        while True:
            reached, searched = self._look(before, window, found)
            if len(found) >= limit or searched < window:
                return found
            if time.monotonic() > self._deadline:
                self.given_up_at = reached
                return found
            before, window = reached, min(_LARGEST_WINDOW, window * 4)

    def _look(self, before: int, window: int, found: list[JobLine]) -> tuple[int, int]:
        """Add what fits in the next window; returns the oldest job looked at, and how many there were."""
        params = self._params | {"before": before, "window": window, "limit": self._params["limit"] - len(found)}
        rows = self._connection.execute(statement(self._name), params).fetchall()
        found += [JobLine(*row[2:]) for row in rows if row[2] is not None]
        return rows[0][0] or 0, rows[0][1]


def _presentable(job: JobLine) -> JobLine:
    return replace(job, state=JobState(job.state), reason=Reason(job.reason), error=redact(job.error))
