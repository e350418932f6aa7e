"""Pages of the jobs that a query asks for, in a time that does not grow with how many there are.

The order: those in flight, then those that wait, each the newest first, then those that have ended, the latest first;
of a group, and of the retries of one job, also the ended ones the newest first.
Where few jobs fit what no index knows, a page ends when its time is up, and says how far it looked; the next one goes
on from there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import psycopg

from infra.job_query import JobQuery
from infra.postgres.enqueue import RUN_AT_RANGE
from infra.postgres.job_criteria import Criteria, look_up
from infra.postgres.job_paths import Path, Phase, paths
from infra.postgres.job_queries import JobLine
from infra.postgres.statements import statement
from infra.redaction import redact
from retinue.states import JobState, Reason

#: Jobs of one page, unless more or fewer are asked for, and at most.
PAGE_JOBS = 50
MAX_PAGE_JOBS = 500

#: How long one page looks through jobs that do not fit, in seconds.
SEARCH_SECONDS = 0.05

# A search goes back in windows: the first is small because most queries fit soon.
_FIRST_WINDOW = 400
_LARGEST_WINDOW = 50_000

_AFTER_ALL_IDS = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN = re.compile(rf"({'|'.join(Phase)})\.(\d{{1,19}})(?:\.(\d{{1,18}}))?")


class Place(NamedTuple):
    """Behind which job a page begins: `at` is when that one ended, if the phase goes by time."""

    phase: Phase
    id: int = _AFTER_ALL_IDS
    at: datetime | None = None

    @property
    def token(self) -> str:
        """The place as it stands in an address."""
        at = "" if self.at is None else f".{(self.at - _EPOCH) // timedelta(microseconds=1)}"
        return f"{self.phase}.{self.id}{at}"


def read_place(token: str | None) -> Place | None:
    """The place that a token names; None, the beginning, for anything else."""
    found = _TOKEN.fullmatch(token or "")
    if found is None:
        return None
    try:
        at = None if found[3] is None else _EPOCH + timedelta(microseconds=int(found[3]))
    except OverflowError:
        return None
    return Place(Phase(found[1]), min(int(found[2]), _AFTER_ALL_IDS), at)


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs; `following` is where the next page begins, None at the end.

    With `unfinished_search` the time was up: there may be more of them behind `following`, and `looked_back_to` is when
    the last one looked at had ended, where that is known.
    """

    jobs: list[JobLine]
    following: Place | None = None
    unfinished_search: bool = False

    @property
    def looked_back_to(self) -> datetime | None:
        """How far back an unfinished search looked."""
        return self.following.at if self.unfinished_search and self.following else None


def search_jobs(
    connection: psycopg.Connection,
    query: JobQuery,
    *,
    after: Place | None = None,
    limit: int = PAGE_JOBS,
    account_id: int | None = None,
    search_seconds: float = SEARCH_SECONDS,
) -> JobPage:
    """One page of the jobs that `query` asks for; with `account_id`, of that account's alone.

    Raises:
        QueryError: it names an account or a type that there is not.
    """
    criteria = look_up(connection, query, account_id=account_id)
    walk = _Walk(connection, criteria, min(max(limit, 1), MAX_PAGE_JOBS), time.monotonic() + search_seconds)
    with along_indexes(connection):
        return walk.page(after)


@contextmanager
def along_indexes(connection: psycopg.Connection) -> Iterator[None]:
    """Inside, PostgreSQL reads in the order of an index rather than all there is, to sort it."""
    with connection.transaction():
        connection.execute(statement("keep_to_indexes"), {"sorting": "off"})
        yield
        connection.execute(statement("keep_to_indexes"), {"sorting": "on"})


@dataclass(slots=True)
class _Looked:
    """What one window gave: the jobs that fit, how many were looked at, and the last of those."""

    jobs: list[JobLine]
    count: int
    reached: tuple[int, datetime | None]


class _Walk:
    """Goes through the phases until the page is full, all is seen, or the time is up."""

    def __init__(self, connection: psycopg.Connection, criteria: Criteria, limit: int, deadline: float) -> None:
        self._connection = connection
        self._criteria = criteria
        self._limit = limit
        self._deadline = deadline

    def page(self, after: Place | None) -> JobPage:
        found: list[JobLine] = []
        for place, ways in self._phases(after):
            if found and time.monotonic() > self._deadline:
                return JobPage(found, place, unfinished_search=True)
            before = len(found)
            given_up = self._phase(place, ways, found)
            if len(found) > self._limit:
                last = found[self._limit - 1] if self._limit > before else None
                return JobPage(found[: self._limit], place if last is None else _place_of(place.phase, last, ways))
            if given_up is not None:
                return JobPage(found, given_up, unfinished_search=True)
        return JobPage(found)

    def _phases(self, after: Place | None) -> Iterator[tuple[Place, list[Path]]]:
        """What is left to look at, each with where to begin."""
        order = list(Phase)
        for phase, ways in paths(self._criteria):
            if after is None or order.index(phase) > order.index(after.phase):
                yield Place(phase), ways
            elif phase is after.phase:
                yield after, ways

    def _phase(self, place: Place, ways: list[Path], found: list[JobLine]) -> Place | None:
        """Add what fits; where it gave up, if it did. One job more than the page holds says that there are more."""
        for way in ways:
            if way.whole is None:
                return self._search(way, place, found)
            looked = self._look(way, place, way.whole, room=self._limit + 1 - len(found))
            if looked.count < way.whole:
                found += looked.jobs
                return None
        return None

    def _search(self, way: Path, place: Place, found: list[JobLine]) -> Place | None:
        window = max(_FIRST_WINDOW, self._limit + 1)
        while True:
            started = time.monotonic()
            looked = self._look(way, place, window, room=self._limit + 1 - len(found))
            found += looked.jobs
            if len(found) > self._limit or looked.count < window:
                return None
            place = Place(place.phase, *looked.reached)
            window = self._next_window(window, time.monotonic() - started)
            if window == 0:
                return place

    def _next_window(self, window: int, seconds: float) -> int:
        """As many rows as can be looked at in the time that is left, going by the last window; 0 for none."""
        left = self._deadline - time.monotonic()
        rows = int(window * left / max(seconds, 0.0001))
        return 0 if rows < _FIRST_WINDOW else min(rows, window * 4, _LARGEST_WINDOW)

    def _look(self, way: Path, place: Place, window: int, *, room: int) -> _Looked:
        params = self._criteria.params(way.states) | way.params
        params |= {"before_id": place.id, "before_at": place.at or self._newest(), "window": window, "limit": room}
        rows = self._connection.execute(_searching(way.statement), params).fetchall()
        reached, reached_at, count = rows[0][:3]
        return _Looked([_line(row[3:]) for row in rows if row[3] is not None], count, (reached or 0, reached_at))

    def _newest(self) -> datetime:
        return min(self._criteria.until, RUN_AT_RANGE[1])


#: Ways whose rows are told apart by a few columns first.
_NARROW = {"look_unfinished": "scan_unfinished"}

#: Ways to finished jobs that go by their numbers, not by when they ended.
_BY_NUMBER = frozenset({"look_jobs_by_id", "look_retries", "look_finished_of_groups"})


def _place_of(phase: Phase, job: JobLine, ways: list[Path]) -> Place:
    by_number = phase is not Phase.ENDED or ways[-1].statement in _BY_NUMBER
    return Place(phase, job.id, None if by_number else job.finished_at)


@cache
def _searching(look: str) -> bytes:
    """The statement that looks this way for jobs that fit."""
    scan = _NARROW.get(look)
    scanned, looked = (
        (statement(look), b"SELECT * FROM scanned") if scan is None else (statement(scan), statement(look))
    )
    return statement("fit_jobs").replace(b"%(scanned)s", scanned.rstrip()).replace(b"%(looked)s", looked.rstrip())


def _line(row: tuple[Any, ...]) -> JobLine:
    line = JobLine(*row)
    return replace(line, state=JobState(line.state), reason=Reason(line.reason), error=redact(line.error))
