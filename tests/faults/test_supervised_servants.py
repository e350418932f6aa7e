"""Servants below a real supervisord: a killed one shows how it ended and that it was restarted; a drained one rests."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import psycopg
import pytest

from infra.postgres.enqueue import NewJob, enqueue_many
from infra.postgres.process_exits import list_exits
from infra.postgres.servants import ServantLine, find_servant, list_servants, request_servant
from infra.supervisor.programs import Program, Tier
from retinue.servant_requests import ServantRequest
from tests.support.supervised import Supervised, supervised

SLEEP = "system.sleep"


def only(sql: psycopg.Connection, job_type: str = SLEEP) -> ServantLine:
    (line,) = list_servants(sql, type=job_type)
    return line


def enqueue(sql: psycopg.Connection, seconds: float) -> int:
    with sql.transaction():
        (made,) = enqueue_many(sql, [NewJob(type=SLEEP, payload={"seconds": seconds}, account_id=1)])
    return made.id


def replaced(running: Supervised, servant_id: int) -> None:
    """Wait until another servant stands in this one's place."""
    running.wait_for("EXISTS (SELECT FROM servants WHERE id > %s AND state = 'active')", servant_id)


@pytest.mark.timeout(120)
def test_a_killed_servant_shows_its_signal_and_its_restart_at_once(database_url: str, sql: psycopg.Connection) -> None:
    with supervised(database_url, sql, {SLEEP: 1}, scheduler=False) as running:
        running.wait_for("count(*) = 1 FROM servants")
        running.wait_until_started("servant-system-sleep")
        victim = only(sql)
        os.kill(victim.pid, signal.SIGKILL)
        running.wait_for("EXISTS (SELECT FROM process_exits WHERE signal = 'SIGKILL')")
        # Long before its heartbeat would have been missed.
        assert find_servant(sql, victim.id).state == "lost"
        replaced(running, victim.id)
        line = only(sql)
        assert (line.process, line.exits, line.last_exit) == ("servant-system-sleep", 1, "killed by SIGKILL")
        (noted,) = list_exits(sql, host=line.host, process="servant-system-sleep")
        assert (noted.pid, noted.servant_id, noted.kind) == (victim.pid, victim.id, "exited")


@pytest.mark.timeout(120)
def test_a_drained_servant_finishes_its_job_and_rests_and_a_restarted_one_works_again(
    database_url: str, sql: psycopg.Connection
) -> None:
    with supervised(database_url, sql, {SLEEP: 1}) as running:
        running.wait_for("count(*) = 1 FROM servants")
        job = enqueue(sql, 4)
        running.wait_for("EXISTS (SELECT FROM jobs WHERE id = %s AND state = 'running')", job)
        resting = only(sql).id
        request_servant(sql, resting, ServantRequest.DRAIN)
        running.wait_for("EXISTS (SELECT FROM servants WHERE state = 'draining')")
        late = enqueue(sql, 0.01)
        running.wait_for("EXISTS (SELECT FROM job_history WHERE id = %s AND state = 'completed')", job)
        running.wait_for("EXISTS (SELECT FROM servants WHERE state = 'draining' AND busy = 0)")
        assert find_servant(sql, resting).is_resting
        assert sql.execute("SELECT state FROM jobs WHERE id = %s", (late,)).fetchone() == ("pending",)
        request_servant(sql, resting, ServantRequest.RESTART)
        running.wait_for("EXISTS (SELECT FROM job_history WHERE id = %s AND state = 'completed')", late)
        line = only(sql)
        assert (line.exits, line.last_exit) == (1, "left with status 0")
        assert find_servant(sql, resting).state == "stopped"


@pytest.mark.timeout(120)
def test_what_cannot_be_started_is_noted_and_so_is_what_supervisor_stops(
    database_url: str, sql: psycopg.Connection
) -> None:
    hopeless = Program(
        name="hopeless",
        description="ends at once",
        command=("/bin/sh", "-c", "exit 3"),
        tier=Tier.FRONT,
        start_retries=1,
        # However slow the machine is.
        start_seconds=30,
    )
    sleeping = replace(hopeless, name="sleeping", command=("/bin/sleep", "1000"), start_seconds=1)
    with supervised(database_url, sql, {}, hopeless, sleeping, scheduler=False) as running:
        running.wait_for("EXISTS (SELECT FROM process_exits WHERE kind = 'given_up')")
        running.supervisor.stop("sleeping")
        running.wait_for("EXISTS (SELECT FROM process_exits WHERE kind = 'stopped')")
    rows = sql.execute(
        "SELECT process, kind, exit_status, signal, pid IS NOT NULL FROM process_exits ORDER BY id"
    ).fetchall()
    assert rows == [
        ("hopeless", "start_failed", 3, None, True),
        ("hopeless", "start_failed", 3, None, True),
        ("hopeless", "given_up", None, None, False),
        ("sleeping", "stopped", None, "SIGTERM", True),
    ]
