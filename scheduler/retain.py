"""Retain: keeps history by day partitions. Makes the coming days', drops whole the ones that are too old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import psycopg
from psycopg import sql

from infra.logs import get_logger
from infra.loop import PassResult
from infra.postgres.connect import Database

#: Partitioned tables and the column that says which day a row belongs to.
PARTITIONED = {"job_history": "finished_at", "job_events": "at"}

#: Partitions stand ready for this many days ahead, so that a scheduler may be away that long.
DAYS_AHEAD = 3

#: Rows of servants and schedulers that ended are kept this long, in hours.
ENDED_PROCESS_HOURS = 24

#: One retention runs at a time, whatever the number of schedulers.
_RETAIN_LOCK = 7_218_310_048

log = get_logger(__name__)


class Retain:
    """The pass."""

    def __init__(self, database: Database, *, history_days: int) -> None:
        self._database = database
        self._history_days = history_days

    def run_once(self) -> PassResult:
        """Make and drop partitions; forget ended processes.

        Raises:
            DatabaseUnreachable, psycopg.Error: the transaction that failed changed nothing.
        """
        changed = 0
        with self._database.transaction() as connection:
            locked = connection.execute("SELECT pg_try_advisory_xact_lock(%s), now()", (_RETAIN_LOCK,)).fetchone()
            if locked is None or not locked[0]:
                return PassResult(0)
            today = locked[1].astimezone(UTC).date()
            for table in PARTITIONED:
                changed += self._retain(connection, table, today)
            _forget_ended_processes(connection)
        return PassResult(changed)

    def _retain(self, connection: psycopg.Connection, table: str, today: date) -> int:
        standing = set(_days(connection, table))
        coming = {today + timedelta(days=n) for n in range(DAYS_AHEAD + 1)}
        old = {day for day in standing if day < today - timedelta(days=self._history_days)}
        for day in sorted(coming - standing):
            make_partition(connection, table, day)
        for day in sorted(old):
            log.info("partition_dropped", table=table, day=day.isoformat())
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(_partition(table, day))))
        return len(coming - standing) + len(old)


def make_partition(connection: psycopg.Connection, table: str, day: date) -> None:
    """Make one day's partition.

    Rows of that day that fell into the default partition, because no scheduler had run for days, move over.
    """
    partition, default = sql.Identifier(_partition(table, day)), sql.Identifier(f"{table}_default")
    names = {"table": sql.Identifier(table), "partition": partition, "default": default}
    start, end = (datetime.combine(day + timedelta(days=n), time(), UTC) for n in (0, 1))
    column = sql.Identifier(PARTITIONED[table])
    connection.execute(sql.SQL("CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)").format(**names))
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


def _days(connection: psycopg.Connection, table: str) -> Iterator[date]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass"
    for (name,) in connection.execute(query, (table,)):
        suffix = name.removeprefix(f"{table}_")
        if suffix.isdigit():
            yield datetime.strptime(suffix, "%Y%m%d").replace(tzinfo=UTC).date()


def _forget_ended_processes(connection: psycopg.Connection) -> None:
    params = {"hours": ENDED_PROCESS_HOURS}
    connection.execute(
        "DELETE FROM servants WHERE state IN ('stopped', 'lost')"
        " AND heartbeat_at < now() - make_interval(hours => %(hours)s)",
        params,
    )
    connection.execute("DELETE FROM schedulers WHERE heartbeat_at < now() - make_interval(hours => %(hours)s)", params)
