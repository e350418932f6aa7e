"""Schedules as rows, at any point of their life, for tests of the manager."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import psycopg

from tests.support.factories import add_schedule
from tests.support.overview_rows import add_account


@dataclass(frozen=True)
class Rules:
    """Schedules by what is the matter with them."""

    often: int
    mornings: int
    paused: int
    broken: int
    late: int


def add_rules(sql: psycopg.Connection) -> Rules:
    """Of two accounts and of the system."""
    acme, bolt = add_account(sql, "Northwind Traders"), add_account(sql, "Kestrel Logistics")
    ((now,),) = sql.execute("SELECT date_trunc('second', now())").fetchall()
    soon = {"starts_at": now, "next_fire_at": now + timedelta(minutes=3)}
    often = add_schedule(sql, "connection 1", type="calendar.sync", account_id=acme, every_seconds=300, **soon)
    mornings = add_schedule(
        sql, "every morning", type="email.sync", account_id=bolt, cron="0 6 * * mon-fri", timezone="Europe/Berlin",
        payload={"connection_id": 4}, starts_at=now, next_fire_at=now + timedelta(hours=9),
    )  # fmt: skip
    for n in range(4):
        begin = {"starts_at": now, "next_fire_at": now + timedelta(minutes=7 * n + 1)}
        add_schedule(sql, f"mailbox {n}", type="email.sync", account_id=bolt, every_seconds=900, **begin)
    paused = add_schedule(sql, "upkeep", every_seconds=86_400, state="paused", **soon)
    broken = add_schedule(sql, "odd", cron="every day", state="paused", problem="it has 2 fields", **soon)
    late = add_schedule(sql, "overdue", every_seconds=3600)
    sql.execute("UPDATE schedules SET next_fire_at = now() - interval '4 minutes' WHERE id = %s", (late,))
    _add_runs(sql, often, acme)
    return Rules(often, mornings, paused, broken, late)


def _add_runs(sql: psycopg.Connection, schedule: int, account: int) -> None:
    sql.execute(
        "INSERT INTO job_history (id, type, account_id, lane, state, reason, run_at, claimed_at, finished_at,"
        " run_seconds, schedule_id, fire_at)"
        " SELECT 9000 - n, 'calendar.sync', %(account)s, 'account:' || %(account)s,"
        " (CASE n WHEN 2 THEN 'failed' ELSE 'completed' END)::job_state,"
        " (CASE n WHEN 2 THEN 'exhausted' ELSE 'complete' END)::job_reason,"
        " fired, fired + n * interval '120 ms', fired + interval '4 s', 3.2 + n, %(schedule)s, fired"
        " FROM (SELECT n, now() - n * interval '5 minutes' AS fired FROM generate_series(1, 8) AS n) AS fire",
        {"account": account, "schedule": schedule},
    )
