"""Retain: keeps history by day partitions. Makes the coming days', drops whole the ones that are too old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import psycopg
from psycopg import sql

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.connect import Database
from infra.postgres.statements import statement

#: Partitioned tables and the column that says which day a row belongs to.
PARTITIONED = {"job_history": "finished_at", "job_events": "at", "record_changes": "at"}

#: Partitions stand ready for this many days ahead, so that a scheduler may be away that long.
DAYS_AHEAD = 3

#: Rows of servants and schedulers that ended are kept this long, in hours.
ENDED_PROCESS_HOURS = 24

#: What is gone at its provider is kept so long, in days: no page that was read before comes as late.
DELETED_RECORD_DAYS = 30

#: An anomaly that was not seen for so long is forgotten, in days, unless it is muted.
ANOMALY_DAYS = 90

#: Unique keys whose period has ended, groups as old as history and long deleted records, dropped by one transaction.
MAX_OLD_ROWS = 10_000

#: How processes ended is kept this long, in days.
PROCESS_EXIT_DAYS = 14

#: How long a partition's making or dropping waits for a lock, in seconds.
LOCK_TIMEOUT_SECONDS = 2

#: One retention runs at a time, whatever the number of schedulers.
_RETAIN_LOCK = 7_218_310_048

log = get_logger(__name__)

#: Does its part in the caller's transaction and returns how much it changed.
_Step = Callable[[psycopg.Connection], int]


class Retain:
    """The pass."""

    def __init__(self, database: Database, *, history_days: int) -> None:
        self._database = database
        self._history_days = history_days

    def run_once(self) -> PassResult:
        """Make and drop partitions; forget what ended long ago; keep old figures by the day instead of the minute.

        Raises:
            DatabaseUnreachable, psycopg.Error: the transaction that failed changed nothing.
        """
        # A transaction for each step: one that held the locks of two could deadlock with a settle.
        steps: list[_Step] = [partial(_make, table=table) for table in PARTITIONED]
        steps += [partial(self._drop, table=table) for table in PARTITIONED]
        done = sum([self._alone(step) for step in [*steps, _forget, _fold_rollups]])
        old = [self._alone(step) for step in (_drop_keys, self._drop_groups, _drop_records, _drop_anomalies)]
        return PassResult(done + sum(old), again_after=0 if max(old) >= MAX_OLD_ROWS else None)

    def _alone(self, step: _Step) -> int:
        """Take the step in a transaction, or leave it to the scheduler that is at it."""
        with self._database.transaction() as connection:
            locked = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_RETAIN_LOCK,)).fetchone()
            if locked != (True,):
                return 0
            # Settles queue up behind a lock that is waited for: rather fail and try again than hold them up.
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_TIMEOUT_SECONDS}s",))
            return step(connection)

    def _drop(self, connection: psycopg.Connection, *, table: str) -> int:
        oldest = _today(connection) - timedelta(days=self._history_days)
        old = [day for day in _days(connection, table) if day < oldest]
        for day in old:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(_partition(table, day))))
            log.info("partition_dropped", table=table, day=day.isoformat())
        return len(old)

    def _drop_groups(self, connection: psycopg.Connection) -> int:
        params = {"history_days": self._history_days, "limit": MAX_OLD_ROWS}
        return connection.execute(statement("drop_old_groups"), params).rowcount


def _make(connection: psycopg.Connection, *, table: str) -> int:
    today = _today(connection)
    coming = {today + timedelta(days=n) for n in range(DAYS_AHEAD + 1)}
    missing = sorted(coming - set(_days(connection, table)))
    for day in missing:
        make_partition(connection, table, day)
    return len(missing)


def make_partition(connection: psycopg.Connection, table: str, day: date) -> None:
    """Make one day's partition.

    Rows of that day that fell into the default partition, because no scheduler had run for days, move over.
    """
    partition, default = sql.Identifier(_partition(table, day)), sql.Identifier(f"{table}_default")
    names = {"table": sql.Identifier(table), "partition": partition, "default": default}
    start, end = (datetime.combine(day + timedelta(days=n), time(), UTC) for n in (0, 1))
    column = sql.Identifier(PARTITIONED[table])
    connection.execute(sql.SQL("CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)").format(**names))
    # Whoever is writing to the default partition ends first, and nobody adds to it between the move and the attach.
    connection.execute(sql.SQL("LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE").format(**names))
    move = sql.SQL(
        "WITH moved AS (DELETE FROM {default} WHERE {column} >= {start} AND {column} < {end} RETURNING *) "
        "INSERT INTO {partition} SELECT * FROM moved"
    )
    connection.execute(move.format(**names, column=column, start=sql.Literal(start), end=sql.Literal(end)))
    attach = sql.SQL("ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})")
    connection.execute(attach.format(**names, start=sql.Literal(start), end=sql.Literal(end)))
    log.info("partition_made", table=table, day=day.isoformat())


def _partition(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _today(connection: psycopg.Connection) -> date:
    now: datetime = connection.execute("SELECT now()").fetchall()[0][0]
    return now.astimezone(UTC).date()


def _days(connection: psycopg.Connection, table: str) -> list[date]:
    """The days that have a partition, oldest first."""
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
    suffixes = (name.removeprefix(f"{table}_") for (name,) in connection.execute(query, (table,)))
    return sorted(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date() for day in suffixes if day.isdigit())


def _forget(connection: psycopg.Connection) -> int:
    params = {"hours": ENDED_PROCESS_HOURS}
    servants = connection.execute(
        "DELETE FROM servants WHERE state IN ('stopped', 'lost')"
        " AND heartbeat_at < now() - make_interval(hours => %(hours)s)",
        params,
    )
    schedulers = connection.execute(
        "DELETE FROM schedulers WHERE heartbeat_at < now() - make_interval(hours => %(hours)s)", params
    )
    exits = connection.execute(
        "DELETE FROM process_exits WHERE at < now() - make_interval(days => %(days)s)", {"days": PROCESS_EXIT_DAYS}
    )
    return servants.rowcount + schedulers.rowcount + exits.rowcount


def _drop_keys(connection: psycopg.Connection) -> int:
    return connection.execute(statement("drop_ended_job_keys"), {"limit": MAX_OLD_ROWS}).rowcount


def _drop_records(connection: psycopg.Connection) -> int:
    params = {"days": DELETED_RECORD_DAYS, "limit": MAX_OLD_ROWS}
    return connection.execute(statement("drop_deleted_records"), params).rowcount


def _drop_anomalies(connection: psycopg.Connection) -> int:
    params = {"days": ANOMALY_DAYS, "limit": MAX_OLD_ROWS}
    return connection.execute(statement("drop_old_anomalies"), params).rowcount


def _fold_rollups(connection: psycopg.Connection) -> int:
    """A type and outcome has one row for each day that is older than two, where it had one a minute and shard."""
    return connection.execute(statement("fold_rollups")).rowcount
