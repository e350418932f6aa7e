"""Jobs at every point of their life, as rows: for tests of the pages that show them, and for pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg

from infra.postgres.enqueue import NewJob
from infra.postgres.groups import Parent, enqueue_group
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.settle import settle_jobs
from retinue.outcomes import Completed, Fail, Outcome, Retry, Snooze
from tests.support.factories import ECHO, Held, add_account, add_jobs, add_servant, claim_jobs, queue_jobs

TRACEBACK = """Traceback (most recent call last):
  File "servants/calendar/sync.py", line 71, in sync_calendar
    page = client.changes(since=job.checkpoint)
  File "servants/calendar/client.py", line 204, in changes
    raise TransientError(f"{answer.status} {answer.reason}")
retinue.errors.TransientError: 503 the server is down for maintenance
"""


@dataclass(frozen=True)
class WorkedJobs:
    """The jobs by what they are there for."""

    account: int
    servant: int
    pending: int
    scheduled: int
    retrying: int
    snoozed: int
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    bulk: int
    group: int
    parent: int


def add_worked_jobs(sql: psycopg.Connection) -> WorkedJobs:
    """One account's jobs, one in each state and more."""
    account, servant = add_account(sql, "Kestrel Freight"), add_servant(sql, slots=16, rate=2.0)
    sql.execute("INSERT INTO schedulers (host, pid, version) VALUES ('here', 2, '1')")
    pending, scheduled = add_jobs(sql, 2, account_id=account)
    sql.execute("UPDATE jobs SET run_at = now() + interval '2 hours' WHERE id = %s", (scheduled,))
    queued, *begun = add_jobs(sql, 6, account_id=account)
    queue_jobs(sql, [queued, *begun])
    running, completed, failed, retrying, snoozed = claim_jobs(sql, begun, servant_id=servant, lease_seconds=3600)
    sql.execute("UPDATE jobs SET progress_done = 310, progress_total = 1200 WHERE id = %s", (running.id,))
    _settle(sql, completed, Completed({"changed": 3, "api_key": "hunter2"}))
    _settle(
        sql, failed, Retry(after=timedelta(0), message="503 the server is down for maintenance", kind="TransientError")
    )
    again = _again(sql, failed, servant)
    _settle(sql, again, Fail("<script>alert(1)</script> refused", "PermanentError"))
    _settle(sql, retrying, Retry(message="504 timeout", kind="TransientError", after=timedelta(minutes=5)))
    _settle(sql, snoozed, Snooze(_later(sql), "the provider asked to wait"))
    (cancelled,) = add_jobs(sql, 1, account_id=account)
    _cancel(sql, cancelled)
    parent, group = _family(sql, account)
    return WorkedJobs(
        account=account,
        servant=servant,
        pending=pending,
        scheduled=scheduled,
        retrying=retrying.id,
        snoozed=snoozed.id,
        queued=queued,
        running=running.id,
        completed=completed.id,
        failed=failed.id,
        cancelled=cancelled,
        bulk=_bulk(sql, servant),
        group=group,
        parent=parent,
    )


def evidence(servant_id: int) -> dict[str, Any]:
    """What a servant keeps of a failed attempt."""
    lines = [
        {"at": 1_795_000_000.1, "level": "info", "logger_name": "servants.calendar", "event": "page_read", "rows": 200},
        {
            "at": 1_795_000_001.2,
            "level": "warning",
            "logger_name": "servants.calendar",
            "event": "slow_answer",
            "seconds": 9.1,
        },
        {"at": 1_795_000_002.3, "level": "error", "logger_name": "vendor", "event": "gave up", "exception": TRACEBACK},
    ]
    return {"servant": servant_id, "ran": 12.5, "traceback": TRACEBACK, "lines": lines, "left_out": 4}


def _settle(sql: psycopg.Connection, held: Held, outcome: Outcome) -> None:
    row = sql.execute("SELECT failures FROM jobs WHERE id = %s", (held.id,)).fetchone()
    settlement = held.settlement(outcome, failures=row[0] if row else 0)
    if settlement.failed_attempt:
        settlement = settlement._replace(evidence=evidence(held.servant_id))
    with sql.transaction():
        settle_jobs(sql, [(settlement, 12.5)], shard=0)


def _again(sql: psycopg.Connection, held: Held, servant_id: int) -> Held:
    queue_jobs(sql, [held.id])
    (again,) = claim_jobs(sql, [held.id], servant_id=servant_id)
    return again


def _cancel(sql: psycopg.Connection, job_id: int) -> None:
    with sql.transaction():
        cancel_jobs(sql, [job_id])


def _later(sql: psycopg.Connection) -> Any:
    ((at,),) = sql.execute("SELECT now() + interval '20 minutes'").fetchall()
    return at


def _family(sql: psycopg.Connection, account: int) -> tuple[int, int]:
    """A job that made a group, and its children, one of them done."""
    (parent,) = add_jobs(sql, 1, account_id=account)
    with sql.transaction():
        children = [NewJob(type=ECHO, payload={"message": str(n)}, account_id=account) for n in range(3)]
        group = enqueue_group(sql, children, name="onboard", parent=Parent(parent, None), account_id=account)
    (child,) = sql.execute("SELECT min(id) FROM jobs WHERE group_id = %s", (group.id,)).fetchone() or (0,)
    queue_jobs(sql, [child])
    (held,) = claim_jobs(sql, [child], servant_id=1)
    _settle(sql, held, Completed())
    return parent, group.id


def _bulk(sql: psycopg.Connection, servant_id: int) -> int:
    """A bulk operation half way."""
    payload = {
        "operation": "retry",
        "filter": {"type": "email.sync", "error_text": "timeout"},
        "expected": 1000,
        "up_to_id": 1,
        "up_to": "2026-11-20T12:00:00Z",
    }
    (job,) = add_jobs(sql, 1, job_type="system.bulk")
    sql.execute("UPDATE jobs SET payload = %s WHERE id = %s", (json.dumps(payload), job))
    queue_jobs(sql, [job])
    claim_jobs(sql, [job], servant_id=servant_id, job_type="system.bulk", lease_seconds=3600)
    checkpoint = {
        "done": {"retried": 400},
        "left_alone": {"retried_already": 12},
        "after_id": 1,
        "after_at": None,
        "is_last": False,
    }
    sql.execute(
        "UPDATE jobs SET checkpoint = %s, progress_done = 412, progress_total = 1000 WHERE id = %s",
        (json.dumps(checkpoint), job),
    )
    return job
