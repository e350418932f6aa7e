"""A million schedules, a thousand of them due each second, their jobs performed by two servants."""

from __future__ import annotations

import time

from bench.figures import RETINUE, Figure, Options, Section
from bench.fleet import ECHO, fleet, scalar
from bench.machine import Machine, machine
from bench.processes import cpu_seconds

SCHEDULES = 1_000_000
DUE_A_SECOND = 1000

P50, P99, CPU = "schedules: lateness p50", "schedules: lateness p99", "schedules: CPU of the scheduler"
DONE, RATE = "schedules: fire to finished, p99", "schedules: jobs finished"

#: Seconds that filling the table of a million may take: the first fire is as far ahead.
FILL_SECONDS = 90

#: Seconds of watching for each second that the options ask for, and those before, in which it settles.
STRETCH, SETTLING = 6, 5

_ACCOUNTS = "INSERT INTO accounts (name) SELECT 'bench-' || n FROM generate_series(1, 1000) AS n RETURNING id"
_SCHEDULES = """
INSERT INTO schedules (account_id, type, name, every_seconds, lane, starts_at, next_fire_at)
SELECT
    account, %(type)s, 'bench-' || n, %(every)s, 'account:' || account,
    first.at + make_interval(secs => n::float8 / %(rate)s), first.at + make_interval(secs => n::float8 / %(rate)s)
FROM (SELECT now() + make_interval(secs => %(delay)s) AS at) AS first,  generate_series(1, %(schedules)s::bigint) AS n
CROSS JOIN LATERAL (SELECT (%(accounts)s::bigint[])[1 + n %% 1000] AS account)
"""
_LATENESS = """
SELECT
    count(*)::float8,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM created_at - fire_at)::float8),
    percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM created_at - fire_at)::float8),
    percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - fire_at)::float8)
FROM job_history
WHERE type = %s AND fire_at BETWEEN to_timestamp(%s) AND to_timestamp(%s)
"""


def measure(options: Options) -> Section:
    """One reading: a minute or so holds tens of thousands of fires."""
    schedules = options.sized(SCHEDULES, least=DUE_A_SECOND)
    with machine() as host:
        with fleet(host, ECHO, ECHO) as processes:
            fill_schedules(host, schedules)
            host.wait_for(lambda: scalar(host, "SELECT count(*) FROM job_history") > 0, "the first fire", FILL_SECONDS)
            time.sleep(SETTLING)
            began, before = time.time(), cpu_seconds([processes["scheduler"]])
            time.sleep(STRETCH * options.seconds)
            ended, after = time.time(), cpu_seconds([processes["scheduler"]])
            host.connection().execute("UPDATE schedules SET state = 'paused' WHERE state = 'active'")
            host.wait_for(lambda: scalar(host, "SELECT count(*) FROM jobs") == 0, "the last fires")
        row = host.connection().execute(_LATENESS, (ECHO, began, ended)).fetchone()
    assert row is not None  # noqa: S101 - aggregates always give one
    seconds = ended - began
    return Section(_figures(row[0] / seconds, row[1:], 100 * (after - before) / seconds))


def _figures(rate: float, quantiles: tuple[float, ...], cpu: float) -> list[Figure]:
    half, most, done = quantiles
    return [
        Figure(who=RETINUE, what=RATE, unit="jobs/s", values=(rate,)),
        Figure(who=RETINUE, what=P50, unit="s", values=(half,), better="less"),
        Figure(who=RETINUE, what=P99, unit="s", values=(most,), goal=1, better="less"),
        Figure(who=RETINUE, what=DONE, unit="s", values=(done,), better="less"),
        Figure(who=RETINUE, what=CPU, unit="% of a core", values=(cpu,), goal=50, better="less"),
    ]


def fill_schedules(host: Machine, schedules: int) -> None:
    """Each fires every so many seconds that a thousand are due each second, beginning when all are written."""
    connection = host.connection()
    accounts = [row[0] for row in connection.execute(_ACCOUNTS)]
    every = max(1.0, schedules / DUE_A_SECOND)
    facts = {"type": ECHO, "every": every, "rate": DUE_A_SECOND, "schedules": schedules, "accounts": accounts}
    facts["delay"] = FILL_SECONDS * schedules / SCHEDULES
    connection.execute(_SCHEDULES, facts)
    connection.execute("ANALYZE schedules")
