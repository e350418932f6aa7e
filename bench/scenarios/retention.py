"""Retention: a day of ten million finished jobs is dropped."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from bench.figures import RETINUE, Figure, Options, Section
from bench.fleet import ECHO
from bench.machine import Machine, machine
from infra.postgres.connect import Database
from scheduler.retain import Retain, make_partition

WHAT = "dropping a day of 10 million finished jobs"
JOBS = 10_000_000
HISTORY_DAYS = 14

_HISTORY = """
INSERT INTO job_history (
    id, type, account_id, lane, state, reason, attempt, created_at, run_at, finished_at, run_seconds
)
SELECT n, %(type)s, 1, 'account:1', 'completed', 'complete', 1, %(day)s, %(day)s, %(day)s, 0
FROM generate_series(1, %(jobs)s::bigint) AS n
"""
_LEFT = "SELECT count(*) FROM (SELECT FROM job_history WHERE finished_at < now() - make_interval(days => %s) LIMIT 1)"


def measure(options: Options) -> Section:
    """The whole pass, with one day too old."""
    with machine() as host:
        seconds = drop_seconds(host, options.sized(JOBS, least=1000))
    return Section([Figure(who=RETINUE, what=WHAT, unit="s", values=(seconds,), goal=1, better="less")])


def drop_seconds(host: Machine, jobs: int) -> float:
    """Fill a day beyond the history and time the pass that drops it."""
    connection = host.connection()
    database = Database(host.url, application_name="bench")
    retain = Retain(database, history_days=HISTORY_DAYS)
    retain.run_once()
    day = datetime.now(UTC) - timedelta(days=HISTORY_DAYS + 2)
    with connection.transaction():
        make_partition(connection, "job_history", day.date())
    connection.execute(_HISTORY, {"type": ECHO, "day": day, "jobs": jobs})
    began = time.perf_counter()
    retain.run_once()
    seconds = time.perf_counter() - began
    database.close()
    row = connection.execute(_LEFT, (HISTORY_DAYS,)).fetchone()
    if row != (0,):
        raise RuntimeError(f"jobs older than {HISTORY_DAYS} days are left")
    return seconds
