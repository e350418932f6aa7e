"""A fleet at work, as rows: for tests of the manager and for its picture."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from retinue.histogram import BUCKETS


def add_account(sql: psycopg.Connection, name: str) -> int:
    """A customer's account, made anew or there already; its ID."""
    return _one(
        sql,
        "INSERT INTO accounts (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
        (name,),
    )


def add_type(sql: psycopg.Connection, name: str, *, slots: int = 8, paused: bool = False) -> None:
    """A registered type; nothing where there is one already."""
    sql.execute(
        "INSERT INTO job_types (type, slots, timeout_seconds, paused_at)"
        " VALUES (%s, %s, 60, CASE WHEN %s THEN now() END) ON CONFLICT DO NOTHING",
        (name, slots, paused),
    )


def add_jobs(sql: psycopg.Connection, job_type: str, state: str, count: int) -> None:
    """That many unfinished jobs."""
    reason = {"pending": "enqueue", "queued": "dispatch", "running": "claim"}[state]
    sql.execute(
        "INSERT INTO jobs (type, lane, state, reason, servant_id, lease_until)"
        " SELECT %(type)s, 'account:' || n %% 40, %(state)s::job_state, %(reason)s::job_reason,"
        " CASE WHEN %(state)s = 'running' THEN 1 END, CASE WHEN %(state)s = 'running' THEN now() END"
        " FROM generate_series(1, %(count)s) AS n",
        {"type": job_type, "state": state, "reason": reason, "count": count},
    )
    if state == "pending":
        sql.execute(
            "INSERT INTO lane_wakes (type, lane, pending) SELECT %s, 'account:' || n %% 40, count(*)"
            " FROM generate_series(1, %s) AS n GROUP BY n %% 40",
            (job_type, count),
        )


def add_finished(sql: psycopg.Connection, job_type: str, state: str, jobs: int, *, hours_ago: float = 0) -> None:
    """That many finished jobs, in the rollup of one minute."""
    sql.execute(
        "INSERT INTO job_rollups VALUES (date_trunc('minute', now() - make_interval(secs => %s)), %s, %s, 0, %s, 1, 1)",
        (hours_ago * 3600, job_type, state, jobs),
    )


def add_servant(
    sql: psycopg.Connection,
    job_type: str,
    *,
    state: str = "active",
    slots: int = 8,
    busy: int | None = None,
    silent_seconds: float = 1,
    jobs: list[dict[str, Any]] | None = None,
    pid: int = 4711,
    host: str = "sync-1",
) -> int:
    """A servant whose last heartbeat came that long ago; its ID."""
    listed = jobs or []
    return _one(
        sql,
        "INSERT INTO servants (type, host, pid, version, state, slots, busy, memory_bytes, current_jobs, started_at,"
        " heartbeat_at) VALUES (%s, %s, %s, '0.1.0', %s, %s, %s, 61200000, %s, now() - interval '5 hours',"
        " now() - make_interval(secs => %s)) RETURNING id",
        (job_type, host, pid, state, slots, len(listed) if busy is None else busy, json.dumps(listed), silent_seconds),
    )


def current_job(
    job: int,
    *,
    account: int | None = None,
    attempt: int = 1,
    seconds: float = 3,
    done: int | None = None,
    total: int | None = None,
) -> dict[str, Any]:
    """A job as a servant's heartbeat lists it."""
    return {
        "job": job,
        "attempt": attempt,
        "account": account,
        "lane": f"account:{account}",
        "seconds": seconds,
        "done": done,
        "total": total,
    }


def add_scheduler(sql: psycopg.Connection, *, silent_seconds: float = 1, pid: int = 4700, errors: int = 0) -> int:
    """A scheduler whose last heartbeat came that long ago; its ID."""
    passes: dict[str, dict[str, Any]] = {
        name: {
            "runs": runs,
            "errors": 0,
            "consecutive_errors": 0,
            "done": runs,
            "last_seconds": 0.01,
            "last_error": None,
            "last_success_at": (datetime.now(UTC) - timedelta(seconds=silent_seconds)).isoformat(),
        }
        for name, runs in {"plan": 18_000, "dispatch": 41_220, "rescue": 9_001, "retain": 20}.items()
    }
    if errors:
        passes["dispatch"] |= {"errors": errors, "last_error": "QueueUnreachable: no answer"}
    return _one(
        sql,
        "INSERT INTO schedulers (host, pid, version, passes, started_at, heartbeat_at) VALUES"
        " ('sync-1', %s, '0.1.0', %s, now() - interval '5 hours', now() - make_interval(secs => %s)) RETURNING id",
        (pid, json.dumps(passes), silent_seconds),
    )


def add_fleet(sql: psycopg.Connection) -> None:
    """Two hosts in the middle of an ordinary day, with a servant that is late and one that was lost."""
    names = ("Northwind Traders", "Blue Harbour Dental", "Kestrel Logistics", "Maple & Stone Architects", "Oda Clinic")
    accounts = [add_account(sql, name) for name in names]
    for job_type, finished in {
        "calendar.sync": (8_214, 12, 3, 122_840),
        "email.sync": (31_022, 41, 0, 402_117),
        "salesforce.sync": (5_660, 0, 1, 74_002),
        "system.echo": (240, 0, 0, 1_200),
    }.items():
        add_type(sql, job_type, paused=job_type == "system.echo")
        completed, failed, cancelled, earlier = finished
        for state, jobs in {"completed": completed, "failed": failed, "cancelled": cancelled}.items():
            add_finished(sql, job_type, state, jobs)
        add_finished(sql, job_type, "completed", earlier, hours_ago=70)
    _add_work(sql, accounts)
    add_scheduler(sql)
    add_scheduler(sql, pid=5102, silent_seconds=3, errors=2)


def _add_work(sql: psycopg.Connection, accounts: list[int]) -> None:
    for job_type, counts in {
        "calendar.sync": (412, 6, 6),
        "email.sync": (10_500, 9, 8),
        "salesforce.sync": (37, 0, 3),
    }.items():
        for state, count in zip(("pending", "queued", "running"), counts, strict=True):
            add_jobs(sql, job_type, state, count)
    calendars = [
        current_job(90_211 + n, account=account, seconds=2.0 + 3 * n, done=40 * n + 12, total=120 + 60 * n)
        for n, account in enumerate(accounts)
    ]
    mail = [current_job(91_007, account=accounts[1], seconds=95, done=12_400, total=55_012, attempt=2)]
    force = [current_job(90_940, account=accounts[0], seconds=720, done=310_000), current_job(90_950, seconds=4)]
    add_servant(sql, "calendar.sync", jobs=[*calendars, current_job(90_399, account=accounts[0])], pid=4711)
    add_servant(sql, "calendar.sync", pid=4712, silent_seconds=3)
    add_servant(sql, "email.sync", jobs=mail, pid=5120, host="sync-2", slots=16)
    add_servant(sql, "salesforce.sync", jobs=force, pid=5121, host="sync-2", silent_seconds=18, slots=4)
    add_servant(sql, "salesforce.sync", pid=5090, host="sync-2", silent_seconds=130, state="lost", slots=4)
    add_servant(sql, "system.echo", pid=4713, slots=16, silent_seconds=4, state="draining")


def add_past(sql: psycopg.Connection, *, days: float = 7) -> None:
    """The figures of an ordinary week, up to two minutes ago: work by day and less by night, and one bad hour."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with sql.cursor().copy(
        "COPY account_rollups (step_seconds, starts_at, type, state, jobs, run_seconds, wait_seconds, run_histogram,"
        " wait_histogram) FROM STDIN"
    ) as copy:
        for row in _past(now, days):
            copy.write_row(row)


def _past(now: datetime, days: float) -> Iterator[tuple[Any, ...]]:
    minutes_from = now - timedelta(days=min(days, 1.5))
    hour = (now - timedelta(days=days)).replace(minute=0)
    while hour < minutes_from.replace(minute=0):
        yield from _figures_of(hour, 3600, now)
        hour += timedelta(hours=1)
    minute = hour
    while minute <= now - timedelta(minutes=2):
        yield from _figures_of(minute, 60, now)
        minute += timedelta(minutes=1)


def _figures_of(at: datetime, step: int, now: datetime) -> Iterator[tuple[Any, ...]]:
    """One step of each type; what looks like chance follows from the time, so that a picture is always the same."""
    day = 0.55 + 0.45 * math.sin((at.hour * 60 + at.minute - 480) / 1440 * 2 * math.pi)
    wobble = 1 + 0.12 * math.sin(at.timestamp() / 397) + 0.08 * math.sin(at.timestamp() / 61)
    bad = timedelta(hours=5) < now - at < timedelta(hours=6)
    for name, rate, wait, run in (("calendar.sync", 9, 5, 8), ("email.sync", 26, 4, 7), ("salesforce.sync", 5, 6, 11)):
        jobs = round(rate * day * wobble * step / 60)
        failed = round(jobs * (0.12 if bad and name == "email.sync" else 0.002))
        slower = 3 if bad else round(1.5 * day * wobble)
        for state, count in (("completed", jobs - failed), ("failed", failed)):
            if count:
                waits, runs = _spread(count, wait + slower), _spread(count, run)
                yield step, at, name, state, count, count * 0.4, count * 0.1, runs, waits


def _spread(count: int, middle: int) -> list[int]:
    shares = {middle - 1: 0.25, middle: 0.5, middle + 1: 0.19, middle + 2: 0.05, middle + 3: 0.01}
    return [round(count * shares.get(bucket, 0)) for bucket in range(BUCKETS)]


def _one(sql: psycopg.Connection, query: str, params: tuple[Any, ...]) -> int:
    row = sql.execute(query.encode(), params).fetchone()
    assert row is not None
    return int(row[0])
