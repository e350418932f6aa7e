"""Servant and scheduler processes as they report themselves, and what operators ask of a servant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.process_exits import cause_words
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.errors import NotAllowed, NotFound
from retinue.servant_requests import ServantRequest

#: The most processes one listing shows.
MAX_LISTED = 1000

#: A servant that fell silent without a word is listed among the live ones this long, in seconds.
LOST_SHOWN_SECONDS = 900

#: Ends of one process are counted no further.
MAX_EXITS = 1000

#: A receive takes 20 seconds where nothing comes. Without an answer for so long a servant hears nothing, in seconds.
SILENT_SECONDS = 60.0

LIVE_STATES = ("active", "draining")


@dataclass(frozen=True, slots=True)
class ServantLine:
    """One servant. `rate` is jobs a second that it can do; `heartbeat_seconds` and `receive_seconds` are ages.

    Each of `current_jobs` has job, attempt, account, lane, seconds, done and total; `account_names` has the names by
    the IDs as texts. `process` is what supervisord calls it, None where it was started by hand; `exits` is how often
    that process ended in the last day, at most `MAX_EXITS`, and what begins with `exit_` is about the last time.
    """

    id: int
    type: str
    host: str
    pid: int
    process: str | None
    version: str
    state: str
    slots: int
    busy: int
    rate: float | None
    memory_bytes: int | None
    current_jobs: Any
    started_at: datetime
    heartbeat_at: datetime
    received_at: datetime | None
    request: str | None
    requested_at: datetime | None
    metrics_port: int | None
    heartbeat_seconds: float
    receive_seconds: float | None
    account_names: Mapping[str, str]
    exits: int
    exit_kind: str | None
    exit_status: int | None
    exit_signal: str | None
    exit_at: datetime | None

    @property
    def last_exit(self) -> str | None:
        """How the process that supervisord calls by this name ended the last time, in words."""
        return None if self.exit_kind is None else cause_words(self.exit_kind, self.exit_status, self.exit_signal)

    def is_silent(self, alive_seconds: float) -> bool:
        """Whether it beats, and hears nothing."""
        beats = self.state == "active" and self.heartbeat_seconds <= alive_seconds
        return beats and hears_nothing(self.busy, self.slots, self.receive_seconds)

    @property
    def is_resting(self) -> bool:
        """Whether it was drained by an operator and has come to its end of work."""
        return self.state == "draining" and self.request == ServantRequest.DRAIN and not self.busy


@dataclass(frozen=True, slots=True)
class SchedulerLine:
    """One scheduler. `passes` has each pass's runs, errors, done, last_seconds and last_error."""

    id: int
    host: str
    pid: int
    version: str
    passes: Any
    started_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None
    heartbeat_seconds: float


def hears_nothing(busy: int, slots: int, receive_seconds: float | None) -> bool:
    """Whether its queue has not answered a servant with a free slot for `SILENT_SECONDS`: a busy one does not ask."""
    return busy < slots and (receive_seconds or 0.0) > SILENT_SECONDS


def list_servants(
    connection: psycopg.Connection,
    *,
    type: str | None = None,  # noqa: A002 - the word of the design; the builtin is not needed here
    servant_id: int | None = None,
    ended: bool = False,
    lost_shown_seconds: float = 0.0,
    limit: int = MAX_LISTED,
) -> list[ServantLine]:
    """Servants by type. With `ended` those too that stopped or were lost, else those lost within so many seconds."""
    params = {
        "type": type,
        "servant_id": servant_id,
        "ended": ended,
        "lost_shown_seconds": lost_shown_seconds,
        "exit_limit": MAX_EXITS,
        "limit": limit,
    }
    return rows_as(connection, ServantLine, "list_servants", params)


def find_servant(connection: psycopg.Connection, servant_id: int) -> ServantLine:
    """One servant, whether or not it still runs.

    Raises:
        NotFound: there is no such servant, or it ended more than a day ago.
    """
    found = list_servants(connection, servant_id=servant_id, ended=True)
    if not found:
        raise _unknown(servant_id)
    return found[0]


def request_servant(connection: psycopg.Connection, servant_id: int, request: ServantRequest) -> str | None:
    """Ask a servant to drain or to restart; it hears of it with its next heartbeat.

    Returns what supervisord calls it; None where it was started by hand, and nothing will start it anew.

    Raises:
        NotFound: there is no such servant.
        NotAllowed: it has ended, or was asked for this already.
    """
    row = connection.execute(statement("lock_servant"), {"id": servant_id}).fetchone()
    if row is None:
        raise _unknown(servant_id)
    process, state, asked = row
    if state not in LIVE_STATES:
        raise NotAllowed(f"Servant {servant_id} has ended already: it is {state}.")
    if asked in (request, ServantRequest.RESTART):
        raise NotAllowed(f"Servant {servant_id} was asked to {asked} already.")
    connection.execute(statement("request_servant"), {"id": servant_id, "request": request})
    return None if process is None else str(process)


def list_schedulers(connection: psycopg.Connection) -> list[SchedulerLine]:
    """Schedulers that have not said that they stopped."""
    return rows_as(connection, SchedulerLine, "list_schedulers", {"limit": MAX_LISTED})


def _unknown(servant_id: int) -> NotFound:
    return NotFound(f"There is no servant {servant_id}. `retinue servants list --all` shows those of the last day.")
