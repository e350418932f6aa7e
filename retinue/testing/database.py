"""A throw-away database with Retinue's schema, and the short ways to fill it, run it and look at it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

import psycopg
from psycopg import sql as compose
from pydantic import BaseModel

from infra.postgres.accounts import add_account
from infra.postgres.bell import Bell
from infra.postgres.connect import Database
from infra.postgres.connections import NewConnection, add_connection
from infra.postgres.enqueue import enqueue
from infra.postgres.job_details import JobDetails
from infra.postgres.job_queries import show_job
from infra.secrets import Keyring, generate_key
from retinue.servant import ServantType, lent
from retinue.testing.clock import FakeClock
from retinue.testing.queues import FaultyQueues

#: Tables whose moments are about processes or about the past: they do not travel.
_STAY = frozenset(
    {
        "accounts",
        "echoes",
        "job_events",
        "job_history",
        "operator_actions",
        "process_exits",
        "queue_calls",
        "schedulers",
        "servants",
    }
)
_STAY_LIKE = ("rollup", "figure", "calendar", "cost")

#: How often a journey that a servant at work has stopped begins anew.
_TRIES = 5

_MOMENTS = """
    SELECT c.table_name, array_agg(c.column_name::text)
    FROM information_schema.columns AS c
    JOIN information_schema.tables AS t USING (table_schema, table_name)
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
        AND c.data_type = 'timestamp with time zone' AND c.table_name = ANY(%s)
    GROUP BY c.table_name ORDER BY c.table_name
"""

# What waits for a person waits until the year 9000, whatever the time.
_EARLIER = "{column} = CASE WHEN {column} < '8999-01-01 00:00:00+00' THEN {column} - {by} ELSE {column} END"


class JobArguments(TypedDict, total=False):
    """What `enqueue` takes beside the type and the payload; see `infra.postgres.enqueue.enqueue`."""

    account_id: int | None
    run_at: datetime | None
    priority: int
    unique_key: str | None


class RetinueDatabase:
    """An empty database at the newest schema.

    `sql` is an autocommit connection, for arranging and for looking. `queues` carry the messages of `drain`; set
    `queues.faults` to let them go wrong.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = FakeClock()
        self.queues = FaultyQueues(clock=self.clock)
        self.keyring = Keyring(generate_key())
        self.pool = Database(url, application_name="retinue-testing", max_connections=16)
        self.bell = Bell(url)
        self.sql = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        """Close every connection."""
        self.bell.close()
        self.sql.close()
        self.pool.close()

    def account(self, name: str = "acme") -> int:
        """A new account; returns its ID."""
        return add_account(self.sql, name).id

    def connection(
        self,
        account_id: int,
        provider: str,
        *,
        config: Mapping[str, Any] | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> int:
        """A new connection of the account, its credentials sealed; returns its ID."""
        new = NewConnection(
            account_id=account_id,
            provider=provider,
            name="main",
            config=dict(config or {}),
            credentials=dict(credentials or {}),
        )
        with self.sql.transaction():
            return add_connection(self.sql, self.keyring, new)

    def enqueue(
        self,
        servant: ServantType[Any],
        payload: Mapping[str, Any] | BaseModel | None = None,
        **arguments: Unpack[JobArguments],
    ) -> int:
        """A job of this type, whether or not a distribution offers it; returns its ID.

        Raises:
            InvalidPayload: the payload does not fit.
        """
        # Over a connection of its own: a handler in a servant's thread may call this.
        with lent(servant), self.pool.transaction() as connection:
            return enqueue(connection, servant.name, payload, **arguments).id

    def job(self, job_id: int) -> JobDetails:
        """Everything about a job, as `retinue jobs show` tells it."""
        return show_job(self.sql, job_id)

    def travel(self, by: timedelta) -> None:
        """Let it be later by `by`: whatever waits in the engine's tables for a moment is so much nearer to it.

        Time in the database is the server's, so the moments move and the clock does not. Finished jobs keep theirs.
        """

        self.clock.advance(by)
        tables = [name for name in table_names() if name not in _STAY and not any(x in name for x in _STAY_LIKE)]
        for left in reversed(range(_TRIES)):
            try:
                self._move(tables, by)
                break
            except psycopg.errors.DeadlockDetected:
                # Servants that are still at work held a row of one table and wanted one of another.
                if not left:
                    raise

    def _move(self, tables: list[str], by: timedelta) -> None:
        with self.sql.transaction():
            for table, columns in self.sql.execute(_MOMENTS, (tables,)).fetchall():
                changes = [_earlier(column, by) for column in columns]
                update = compose.SQL("UPDATE {} SET {}")
                self.sql.execute(update.format(compose.Identifier(table), compose.SQL(", ").join(changes)))

    def now(self) -> datetime:
        """The server's time."""
        ((found,),) = self.sql.execute("SELECT clock_timestamp()").fetchall()
        moment: datetime = found
        return moment

    def next_moment(self, types: list[str], *, since: datetime | None = None) -> timedelta | None:
        """How long until something of these types falls due; None where nothing waits for a moment.

        What fell due after `since` is due by now: no time at all.
        """
        row = self.sql.execute(_NEXT_MOMENT, {"types": types, "since": since}).fetchone()
        found: timedelta | None = row[0] if row else None
        return found if found is None else max(found, timedelta(0))

    def in_flight(self, types: list[str]) -> tuple[int, int]:
        """How many jobs of these types are queued, and how many are running."""
        counted = "SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'running')"
        row = self.sql.execute(f"{counted} FROM jobs WHERE type = ANY(%s)".encode(), (types,)).fetchone()
        return (0, 0) if row is None else (row[0], row[1])


#: Lanes that nothing but time holds back, and schedules.
_NEXT_MOMENT = """
    SELECT least(
        (
            SELECT min(wake_at) FROM lanes
            WHERE type = ANY(%(types)s) AND wake_at > coalesce(%(since)s, now())
                AND wake_at < now() + interval '1000 years'
        ),
        (
            SELECT min(next_fire_at) FROM schedules
            WHERE type = ANY(%(types)s) AND state = 'active' AND next_fire_at > coalesce(%(since)s, now())
        )
    ) - now()
"""


def table_names() -> list[str]:
    """Every table of Retinue's."""
    from infra.postgres import ddl  # noqa: F401 - adds all tables to the metadata
    from infra.postgres.schema import metadata

    return list(metadata.tables)


def _earlier(column: str, by: timedelta) -> compose.Composed:
    return compose.SQL(_EARLIER).format(column=compose.Identifier(column), by=compose.Literal(by))
