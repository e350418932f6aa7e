"""Schedules as people look at them, secrets in their payloads masked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.job_details import masked_payload
from infra.postgres.rows import rows_as
from infra.redaction import mask_text
from retinue.errors import NotFound


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """One schedule, secrets in its payload masked. `problem` says why it was paused when nobody paused it.

    `late_seconds` is how long ago an active one should have fired; None where it is not due.
    """

    id: int
    type: str
    name: str
    account_id: int | None
    account_name: str | None
    cron: str | None
    every_seconds: float | None
    timezone: str
    jitter_seconds: float
    catch_up: int
    overlap: str
    payload: Any
    lane: str
    priority: int
    state: str
    problem: str | None
    starts_at: datetime
    next_fire_at: datetime | None
    last_fire_at: datetime | None
    created_at: datetime
    late_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFilter:
    """Which schedules; None is any. `late_seconds` wants those that are late by more, `words` a part of either name."""

    account_id: int | None = None
    type: str | None = None
    state: str | None = None
    late_seconds: float | None = None
    words: str | None = None


def list_schedules(
    connection: psycopg.Connection,
    wanted: ScheduleFilter | None = None,
    *,
    schedule_id: int | None = None,
    after: int = 0,
    before: int | None = None,
    limit: int = 100,
) -> list[ScheduleLine]:
    """Schedules in the order of their IDs, those beyond `after`, or the last ones below `before`."""
    wanted = wanted or ScheduleFilter()
    params = asdict(wanted) | {"schedule_id": schedule_id, "after": after, "before": before, "limit": limit}
    lines = _shown(rows_as(connection, ScheduleLine, "list_schedules", params))
    return lines if before is None else lines[::-1]


def list_connection_schedules(
    connection: psycopg.Connection, connection_id: int, *, limit: int = 100
) -> list[ScheduleLine]:
    """The schedules whose jobs' payload names this connection, by type."""
    params = {"connection_id": connection_id, "limit": limit}
    return _shown(rows_as(connection, ScheduleLine, "list_connection_schedules", params))


def find_schedule(connection: psycopg.Connection, schedule_id: int) -> ScheduleLine:
    """One schedule.

    Raises:
        NotFound: there is no such schedule.
    """
    found = list_schedules(connection, schedule_id=schedule_id)
    if not found:
        raise unknown_schedule(schedule_id)
    return found[0]


def unknown_schedule(schedule_id: int) -> NotFound:
    """There is no such schedule."""
    return NotFound(f"There is no schedule {schedule_id}. `retinue schedules list` shows all.")


def _shown(lines: Iterable[ScheduleLine]) -> list[ScheduleLine]:
    return [
        replace(line, payload=masked_payload(line.type, line.payload), problem=line.problem and mask_text(line.problem))
        for line in lines
    ]
