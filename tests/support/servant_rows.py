"""Servants below a supervisor, as rows: restarted, silent, resting ones, for tests of the manager."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from infra.postgres.process_exits import ExitKind, NewExit, note_exit
from tests.support.overview_rows import add_account, add_servant, add_type, current_job


@dataclass(frozen=True)
class Crew:
    """The servants by what is the matter with them."""

    working: int
    restarted: int
    silent: int
    late: int
    resting: int
    by_hand: int


def supervise(sql: psycopg.Connection, servant_id: int, process: str) -> None:
    """Let supervisord have started it, and its queue have answered it just now."""
    sql.execute("UPDATE servants SET process = %s, received_at = now() WHERE id = %s", (process, servant_id))


def add_crew(sql: psycopg.Connection) -> Crew:
    """Two types, on two hosts."""
    acme, bolt = add_account(sql, "Acme Dental"), add_account(sql, "Bolt & Sons")
    for name in ("calendar.sync", "email.sync"):
        add_type(sql, name)
    jobs = [current_job(71, account=acme, seconds=42, done=120, total=400), current_job(72, account=bolt, attempt=3)]
    working = add_servant(sql, "calendar.sync", jobs=jobs, pid=100)
    supervise(sql, working, "servant-calendar-sync-0")
    killed = add_servant(sql, "calendar.sync", pid=101)
    supervise(sql, killed, "servant-calendar-sync-1")
    _end(sql, pid=101, seconds_ago=190.0, signal="SIGKILL")
    restarted = add_servant(sql, "calendar.sync", pid=102)
    supervise(sql, restarted, "servant-calendar-sync-1")
    sql.execute("UPDATE servants SET started_at = now() - interval '3 minutes' WHERE id = %s", (restarted,))
    silent = add_servant(sql, "email.sync", pid=103, host="sync-2")
    supervise(sql, silent, "servant-email-sync-0")
    sql.execute("UPDATE servants SET received_at = now() - interval '5 minutes' WHERE id = %s", (silent,))
    late = add_servant(sql, "email.sync", pid=104, host="sync-2", silent_seconds=15)
    supervise(sql, late, "servant-email-sync-1")
    resting = add_servant(sql, "email.sync", pid=105, host="sync-2", state="draining")
    supervise(sql, resting, "servant-email-sync-2")
    sql.execute("UPDATE servants SET request = 'drain', requested_at = now() WHERE id = %s", (resting,))
    by_hand = add_servant(sql, "email.sync", pid=106, host="laptop")
    return Crew(working, restarted, silent, late, resting, by_hand)


def _end(sql: psycopg.Connection, *, pid: int, seconds_ago: float, signal: str) -> None:
    process = "servant-calendar-sync-1"
    end = NewExit(host="sync-1", program="servant-calendar-sync", process=process, kind=ExitKind.EXITED, pid=pid,
                  signal=signal, seconds_ago=seconds_ago)  # fmt: skip
    note_exit(sql, end)
