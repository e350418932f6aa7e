"""Finished jobs made in bulk, at times of a test's choosing, as settles would have left them."""

from __future__ import annotations

from datetime import datetime

import psycopg

from scheduler.rollup import Rollup
from tests.support.factories import ECHO


def add_finished(
    sql: psycopg.Connection,
    count: int,
    finished_at: datetime,
    *,
    account_id: int | None = None,
    state: str = "completed",
    run_seconds: float | None = 0.2,
    wait_seconds: float = 0.004,
    job_type: str = ECHO,
) -> None:
    """History of jobs that finished at that moment, counted in `job_rollups` as a settle counts them."""
    reason = {"completed": "complete", "failed": "permanent", "cancelled": "cancel"}[state]
    params = {
        "count": count,
        "at": finished_at,
        "account_id": account_id,
        "state": state,
        "reason": reason,
        "run": run_seconds,
        "wait": wait_seconds,
        "type": job_type,
    }
    sql.execute(
        "INSERT INTO job_history (id, type, account_id, lane, state, reason, created_at, run_at, claimed_at,"
        " finished_at, run_seconds)"
        " SELECT nextval('jobs_id_seq'), %(type)s, %(account_id)s, 'account:1', %(state)s, %(reason)s, due, due,"
        " due + make_interval(secs => %(wait)s), %(at)s, %(run)s"
        " FROM generate_series(1, %(count)s),"
        " (SELECT %(at)s::timestamptz - make_interval(secs => coalesce(%(run)s, 3) + %(wait)s) AS due) AS moment",
        params,
    )
    sql.execute(
        "INSERT INTO job_rollups (minute, type, state, shard, jobs, run_seconds, wait_seconds)"
        " VALUES (date_trunc('minute', %(at)s::timestamptz), %(type)s, %(state)s, 1, %(count)s, 0, 0)"
        " ON CONFLICT (minute, type, state, shard) DO UPDATE SET jobs = job_rollups.jobs + excluded.jobs",
        params,
    )


def run_out(rollup: Rollup) -> int:
    """Run the pass until it asks for no further run; the minutes it made."""
    minutes = 0
    while True:
        result = rollup.run_once()
        minutes += result.done
        if result.again_after is None:
            return minutes
