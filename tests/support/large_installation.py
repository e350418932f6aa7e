"""A database as large as Retinue is built for: millions of finished jobs, many accounts, servants and pending jobs.

Rows are made by the database itself, in chunks, so that ten million take minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from retinue.histogram import BUCKETS
from scheduler.retain import make_partition

#: What there is to do.
TYPES = ("email.sync", "calendar.sync", "salesforce.sync", "system.echo")

#: Days of history.
DAYS = 10

#: Rows of one INSERT.
CHUNK = 500_000


@dataclass(frozen=True)
class Size:
    """How much of everything there is."""

    finished: int = 10_000_000
    pending: int = 100_000
    servants: int = 200
    accounts: int = 5_000


def build(sql: psycopg.Connection, size: Size) -> None:
    """Fill an empty database."""
    _add_types(sql)
    _add_accounts(sql, size)
    _add_servants(sql, size)
    for day in _days():
        for table in ("job_history", "job_events"):
            _ensure_partition(sql, table, day)
    for start in range(0, size.finished, CHUNK):
        _add_finished(sql, start, min(size.finished, start + CHUNK), size)
    _add_failures(sql, size)
    sql.execute("SELECT setval('jobs_id_seq', %s)", (size.finished + 1,))
    _add_pending(sql, size)
    _add_groups(sql)
    _add_figures(sql, size)
    _add_exits(sql)
    _add_troubles(sql, size)
    sql.execute("VACUUM ANALYZE")


def beat(sql: psycopg.Connection) -> None:
    """Let all servants be alive at this moment."""
    sql.execute("UPDATE servants SET heartbeat_at = now(), received_at = now()")


def _days() -> Iterator[date]:
    today = datetime.now(UTC).date()
    yield from (today - timedelta(days=n) for n in range(DAYS, -1, -1))


def _ensure_partition(sql: psycopg.Connection, table: str, day: date) -> None:
    found = sql.execute("SELECT to_regclass(%s)", (f"{table}_{day:%Y%m%d}",)).fetchone()
    if found == (None,):
        with sql.transaction():
            make_partition(sql, table, day)


def _add_types(sql: psycopg.Connection) -> None:
    """With a function that gives a job's type by its number."""
    sql.execute(
        "CREATE FUNCTION pg_temp.type_of(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$"
        " SELECT CASE WHEN n % 100 < 60 THEN 'email.sync' WHEN n % 100 < 85 THEN 'calendar.sync'"
        " WHEN n % 100 < 99 THEN 'salesforce.sync' ELSE 'system.echo' END $$"
    )
    for name in TYPES:
        sql.execute("INSERT INTO job_types (type, slots, timeout_seconds) VALUES (%s, 8, 300)", (name,))


def _add_accounts(sql: psycopg.Connection, size: Size) -> None:
    """Each with a mailbox of five folders, and a schedule."""
    params = {"accounts": size.accounts}
    sql.execute("INSERT INTO accounts (name) SELECT 'Account ' || n FROM generate_series(1, %(accounts)s) AS n", params)
    sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " SELECT id, 'imap', 'main', '{}', '' FROM accounts"
    )
    sql.execute(
        "INSERT INTO mailboxes (account_id, connection_id, name, messages, unseen, synced_at)"
        " SELECT account_id, id, 'Folder ' || folder, 1000, 3, now() - interval '5 minutes'"
        " FROM connections, generate_series(1, 5) AS folder"
    )
    sql.execute(
        "INSERT INTO schedules (account_id, type, name, every_seconds, lane, payload, next_fire_at, last_fire_at)"
        " SELECT account_id, 'email.sync', 'every five minutes', 300, 'connection_id:' || id,"
        " jsonb_build_object('connection_id', id), now() + id % 300 * interval '1 second', now() FROM connections"
    )


def _add_servants(sql: psycopg.Connection, size: Size) -> None:
    sql.execute(
        "INSERT INTO servants (type, host, pid, process, version, slots, busy, rate, memory_bytes, started_at,"
        " heartbeat_at, received_at)"
        " SELECT (%(types)s::text[])[1 + n %% cardinality(%(types)s)], 'host-' || n %% 20, 1000 + n,"
        " 'servant:' || n, '1', 8, 3, 20, 50000000, now() - interval '1 day', now(), now()"
        " FROM generate_series(1, %(servants)s) AS n",
        {"types": list(TYPES), "servants": size.servants},
    )


def _add_finished(sql: psycopg.Connection, start: int, end: int, size: Size) -> None:
    """Finished jobs, one in a hundred failed; the accounts in turn, evenly over the days up to a minute ago."""
    sql.execute(
        "INSERT INTO job_history (id, type, account_id, lane, state, reason, attempt, created_at, run_at, queued_at,"
        " claimed_at, servant_id, schedule_id, fire_at, payload, error, finished_at, run_seconds)"
        " SELECT n, pg_temp.type_of(n / 7), one.account, 'connection_id:' || one.account, one.state::job_state,"
        " (CASE one.state WHEN 'failed' THEN 'permanent' ELSE 'complete' END)::job_reason, 1, at, at, at, at,"
        " 1 + n %% %(servants)s, one.account, at,"
        " jsonb_build_object('connection_id', one.account),"
        " CASE one.state WHEN 'failed' THEN jsonb_build_object('kind', 'PermanentError', 'message',"
        " 'mailbox ' || one.account || ' refused') END, at + interval '1 second', 1"
        " FROM generate_series(%(start)s::bigint + 1, %(end)s::bigint) AS n,"
        " LATERAL (SELECT 1 + (n * 7919) %% %(accounts)s AS account,"
        " CASE WHEN n %% 100 = 0 THEN 'failed' ELSE 'completed' END AS state,"
        " now() - interval '1 minute' - (%(finished)s - n) * (%(days)s * interval '23 hours') / %(finished)s AS at"
        ") AS one",
        _params(size) | {"start": start, "end": end},
    )


def _add_failures(sql: psycopg.Connection, size: Size) -> None:
    """What each failed attempt left."""
    lines = [{"at": 1_795_000_000 + n, "level": "info", "logger_name": "servants", "event": "read"} for n in range(50)]
    sql.execute(
        "INSERT INTO job_events (job_id, at, attempt, account_id, from_state, to_state, reason, detail, evidence)"
        " SELECT id, finished_at, 1, account_id, 'running', 'failed', 'permanent', error, %s"
        " FROM job_history WHERE state = 'failed'",
        (Jsonb({"servant": 1, "ran": 1.0, "traceback": "Traceback\n" * 40, "lines": lines, "left_out": 0}),),
    )


def _add_pending(sql: psycopg.Connection, size: Size) -> None:
    """Jobs that wait, half of them in the lanes of a hundred accounts."""
    sql.execute(
        "INSERT INTO jobs (type, account_id, lane, run_at, payload)"
        " SELECT pg_temp.type_of(n), account, 'connection_id:' || account, now() + (n %% 7200 - 3600) * interval '1 s',"
        " jsonb_build_object('connection_id', account)"
        " FROM generate_series(1, %(pending)s) AS n,"
        " LATERAL (SELECT CASE WHEN n %% 2 = 0 THEN 1 + n / 2 %% 100 ELSE 1 + n %% %(accounts)s END AS account) AS one",
        _params(size),
    )
    sql.execute(
        "INSERT INTO lanes (type, lane, due_at, pending, mean_seconds)"
        " SELECT type, lane, min(run_at), count(*), 1 FROM jobs GROUP BY type, lane"
    )


def _add_groups(sql: psycopg.Connection) -> None:
    """Groups of ten thousand jobs that have ended, and one that waits for as many."""
    sql.execute(
        "INSERT INTO job_groups (name, on_failure, total, completed, failed, sealed_at, finished_at, outcome)"
        " SELECT 'group ' || n, 'continue', 10000, 9900, 100, now(), now() - n * interval '1 minute', 'failed'"
        " FROM generate_series(1, 20000) AS n"
    )
    sql.execute("INSERT INTO job_groups (name, on_failure, total, sealed_at) VALUES ('all', 'continue', 10000, now())")
    sql.execute(
        "UPDATE jobs SET group_id = (SELECT max(id) FROM job_groups)"
        " WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT 10000)"
    )


def _add_figures(sql: psycopg.Connection, size: Size) -> None:
    """Rollups of all jobs by minute for two days and by hour for the others, and of each account by hour and day."""
    zeros = [0] * (BUCKETS - 1)
    rest = {"histogram": [10, *zeros], "types": list(TYPES)}
    for step, since, count in ((60, "2 days", 2880), (3600, "10 days", 192), (86_400, "90 days", 80)):
        _add_rollups(sql, rest | {"step": step, "since": since, "count": count, "each": False})
    for step, since, count in ((3600, "2 days", 47), (86_400, "10 days", 8)):
        _add_rollups(sql, rest | {"step": step, "since": since, "count": count, "each": True})
    sql.execute("INSERT INTO rollup_progress (rolled_until, checked_until) VALUES (date_trunc('minute', now()), now())")
    sql.execute(
        "INSERT INTO job_rollups (minute, type, state, shard, jobs, run_seconds, wait_seconds)"
        " SELECT date_trunc('minute', now()) - n * interval '1 minute', type, 'completed', shard, 10, 10, 1"
        " FROM generate_series(0, 1439) AS n, unnest(%(types)s::text[]) AS type, generate_series(0, 3) AS shard",
        rest,
    )
    sql.execute(
        "INSERT INTO account_costs (period, starts_at, account_id, type, jobs, calls)"
        " SELECT period, date_trunc(period, now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', accounts.id, type, 100, 12.5"
        " FROM accounts, unnest(%(types)s::text[]) AS type, unnest(ARRAY['day', 'month']) AS period",
        rest,
    )
    sql.execute(
        "INSERT INTO queue_calls (step_seconds, starts_at, type, action, calls)"
        " SELECT 3600, date_trunc('hour', now()) - n * interval '1 hour', type, action, 5000"
        " FROM generate_series(0, 47) AS n, unnest(%(types)s::text[]) AS type,"
        " unnest(ARRAY['ReceiveMessage', 'SendMessageBatch', 'DeleteMessageBatch']) AS action",
        rest,
    )


def _add_rollups(sql: psycopg.Connection, params: dict[str, Any]) -> None:
    """Of each account, or of all together."""
    sql.execute(
        "INSERT INTO account_rollups (step_seconds, starts_at, type, account_id, state, jobs, run_seconds,"
        " wait_seconds, run_histogram, wait_histogram)"
        " SELECT %(step)s, date_bin(make_interval(secs => %(step)s), now(), '2001-01-01 00:00:00+00')"
        " - %(since)s::interval + n * make_interval(secs => %(step)s), type, one.id, 'completed', 10, 10, 1,"
        " %(histogram)s::bigint[], %(histogram)s::bigint[]"
        " FROM generate_series(1, %(count)s) AS n, unnest(%(types)s::text[]) AS type,"
        " (SELECT id FROM accounts WHERE %(each)s UNION ALL SELECT NULL WHERE NOT %(each)s) AS one",
        params,
    )


def _add_exits(sql: psycopg.Connection) -> None:
    """Each servant's process has ended a hundred times."""
    sql.execute(
        "INSERT INTO process_exits (host, program, process, pid, kind, exit_status, servant_id, at)"
        " SELECT host, 'servant', process, pid, 'exited', 1, id, now() - n * interval '1 hour'"
        " FROM servants, generate_series(1, 100) AS n"
    )


def _add_troubles(sql: psycopg.Connection, size: Size) -> None:
    """Incidents of one account in fifty, an anomaly that all met, and a year of what operators did."""
    sql.execute(
        "INSERT INTO incidents (account_id, connection_id, kind, reason, fingerprint, probe_at)"
        " SELECT account_id, id, 'credential', 'login refused', lpad(to_hex(id % 10), 8, '0'), now()"
        " FROM connections WHERE id % 50 = 0"
    )
    sql.execute(
        "INSERT INTO anomalies (fingerprint, type, name, reason, first_seen_at, last_seen_at, seen, accounts)"
        " SELECT lpad(to_hex(n), 8, '0'), 'email.sync', 'date_missing', 'reason ' || n, now() - interval '9 days',"
        " now(), 10000, %(accounts)s FROM generate_series(1, 200) AS n",
        _params(size),
    )
    sql.execute(
        "INSERT INTO anomaly_accounts (anomaly_id, account_id, first_seen_at, last_seen_at, seen, job_id, sample)"
        " SELECT 1, id, now() - interval '9 days', now(), 2, 1, '{}' FROM accounts"
    )
    sql.execute(
        "INSERT INTO operator_actions (at, actor_kind, actor_name, action, target_kind, target_id)"
        " SELECT now() - n * interval '5 minutes', 'person', 'ann', 'job.retry', 'job', n::text"
        " FROM generate_series(100000, 1, -1) AS n"
    )


def _params(size: Size) -> dict[str, Any]:
    return {
        "finished": size.finished,
        "pending": size.pending,
        "accounts": size.accounts,
        "servants": size.servants,
        "days": DAYS,
    }
