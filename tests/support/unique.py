"""Calls with unique keys, and what became of their jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from infra.postgres.enqueue import Enqueued, enqueue
from retinue import Unique
from tests.support.assertions import row_of
from tests.support.factories import ECHO, claim_jobs, queue_jobs

LATER = datetime.now(UTC) + timedelta(hours=6)
HOUR = timedelta(hours=1)

WAITING = Unique("k", over="waiting")
REPLACE = Unique("k", over="waiting", on_conflict="replace")
EARLIER = Unique("k", on_conflict="earlier")
DEBOUNCE = Unique("k", on_conflict="later", max_wait=2 * HOUR)


def call(connection: psycopg.Connection, message: str, unique: Unique, **options: Any) -> Enqueued:
    return enqueue(connection, ECHO, {"message": message}, unique=unique, **options)


def message_of(sql: psycopg.Connection, job_id: int) -> str:
    (message,) = row_of(sql, job_id, "payload->>'message'")
    return str(message)


def claim(sql: psycopg.Connection, job_id: int) -> Any:
    queue_jobs(sql, [job_id])
    (held,) = claim_jobs(sql, [job_id], servant_id=1)
    return held
