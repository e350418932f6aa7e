"""Servant and scheduler processes as they report themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.rows import rows_as

#: The most processes one listing shows.
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class ServantLine:
    """One servant. `rate` is jobs a second that it can do, `heartbeat_seconds` how old its last heartbeat is.

    Each of `current_jobs` has job, attempt, account, lane, seconds, done and total.
    """

    id: int
    type: str
    host: str
    pid: int
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
    heartbeat_seconds: float


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


def list_servants(
    connection: psycopg.Connection,
    *,
    type: str | None = None,  # noqa: A002 - the word of the design; the builtin is not needed here
    ended: bool = False,
) -> list[ServantLine]:
    """Servants by type; those that stopped or were lost only with `ended`."""
    params = {"type": type, "ended": ended, "limit": MAX_LISTED}
    return rows_as(connection, ServantLine, "list_servants", params)


def list_schedulers(connection: psycopg.Connection) -> list[SchedulerLine]:
    """Schedulers that have not said that they stopped."""
    return rows_as(connection, SchedulerLine, "list_schedulers", {"limit": MAX_LISTED})
