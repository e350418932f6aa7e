"""How many jobs finished, in all and within a day, kept between looks: each minute is read once, when it is over."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from infra.postgres.figures import DAY, DAY_STEP, Span
from infra.postgres.statements import statement
from retinue.states import JobState

#: A minute is over so long after it: whatever finishes a job commits sooner.
OVER = timedelta(hours=1)

_BEGINNING = datetime.min.replace(tzinfo=UTC)

#: Jobs by type and state.
Sums = Counter[tuple[str, JobState]]


@dataclass(slots=True)
class FinishedSums:
    """Reads `job_rollups`; not for several threads at once."""

    _until: datetime = _BEGINNING
    _in_all: Sums = field(default_factory=Counter)
    _day: Sums = field(default_factory=Counter)
    _minutes: deque[tuple[datetime, tuple[str, JobState], int]] = field(default_factory=deque)

    def read(self, connection: psycopg.Connection, at: datetime) -> tuple[Sums, Sums]:
        """Those that finished within the last 24 hours, as charts draw them, and all."""
        since = Span.until_now(at, DAY, DAY_STEP).since
        self._add_old(connection, since)
        self._add_over(connection, (at - OVER).astimezone(UTC))
        self._leave_out(since)
        day, in_all = Counter(self._day), Counter(self._in_all)
        for _, key, jobs in _finished(connection, self._until, None):
            day[key] += jobs
            in_all[key] += jobs
        return day, in_all

    def _add_old(self, connection: psycopg.Connection, since: datetime) -> None:
        """What no day holds any more needs no minutes."""
        until = since.replace(second=0, microsecond=0)
        if until > self._until:
            span = {"since": self._until, "until": until}
            for name, state, jobs in connection.execute(statement("overview_finished_before"), span).fetchall():
                self._in_all[name, JobState(state)] += jobs
            self._until = until

    def _add_over(self, connection: psycopg.Connection, until: datetime) -> None:
        until = until.replace(second=0, microsecond=0)
        if until > self._until:
            for minute, key, jobs in _finished(connection, self._until, until):
                self._minutes.append((minute, key, jobs))
                self._day[key] += jobs
                self._in_all[key] += jobs
            self._until = until

    def _leave_out(self, since: datetime) -> None:
        while self._minutes and self._minutes[0][0] < since:
            _, key, jobs = self._minutes.popleft()
            self._day[key] -= jobs


def _finished(
    connection: psycopg.Connection, since: datetime, until: datetime | None
) -> list[tuple[datetime, tuple[str, JobState], int]]:
    params: dict[str, Any] = {"since": since, "until": until or datetime.max.replace(tzinfo=UTC)}
    rows = connection.execute(statement("overview_finished"), params).fetchall()
    return [(minute, (name, JobState(state)), jobs) for minute, name, state, jobs in rows]
