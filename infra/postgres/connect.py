"""Connections to PostgreSQL, and one clear error when there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from infra.postgres.statements import statement
from retinue.errors import TransientError

#: Seconds to wait for a connection, and for the pool to hand one out.
CONNECT_TIMEOUT_SECONDS = 5

#: A dead peer is noticed after about 20 s, by keepalives when nothing is being sent, else by what it never confirms.
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}


class DatabaseUnreachable(TransientError):
    """PostgreSQL cannot be reached."""


def connect(url: str, *, application_name: str, autocommit: bool = False, options: str = "") -> psycopg.Connection:
    """One connection; `options` are settings of its session, such as `-c enable_seqscan=off`.

    Raises:
        DatabaseUnreachable: names host, port, database and user, never the password, and what to check.
    """
    try:
        given = _options(application_name)
        if options:
            given["options"] = options
        return psycopg.connect(url, autocommit=autocommit, **given)
    except psycopg.OperationalError as error:
        raise unreachable(url, error) from error


def unreachable(url: str, error: BaseException) -> DatabaseUnreachable:
    """The error for people behind a failed connection."""
    where = conninfo_to_dict(url)
    address = f"{where.get('host', 'localhost')}:{where.get('port', 5432)}"
    # libpq puts its advice on indented lines, and the last attempt's failure last.
    causes = [line for line in str(error).splitlines() if line.strip() and not line[0].isspace()]
    cause = causes[-1].rstrip(".") if causes else type(error).__name__
    return DatabaseUnreachable(
        f"The database {where.get('dbname', '')!r} at {address} cannot be reached as user {where.get('user', '')!r}: "
        f"{cause}. Is PostgreSQL running there (`retinue up` starts one), and is RETINUE_DATABASE_URL right?"
    )


def sqlalchemy_url(url: str) -> str:
    """The same address for SQLAlchemy with the psycopg driver."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


class Database:
    """A small pool of connections, opened as they are needed, shared by a process's threads."""

    def __init__(
        self,
        url: str,
        *,
        application_name: str,
        max_connections: int = 4,
        idle_in_transaction_seconds: float = 60,
        durable: bool = True,
        away_seconds: float = 0,
    ) -> None:
        """Whoever asks within `away_seconds` of a connection that could not be had is told so at once.

        With `durable=False` nothing waits that need not.

        A commit does not wait for the disk: a crash of the server may undo the last second. And one plan is made for
        all calls of a statement, which must be good whatever its parameters are.
        """
        self.url = url
        limits = f"-c idle_in_transaction_session_timeout={int(idle_in_transaction_seconds * 1000)}"
        if not durable:
            limits += " -c synchronous_commit=off -c plan_cache_mode=force_generic_plan"
        #: What each connection is opened with.
        self.session = {**_options(application_name), "options": limits, "autocommit": True}
        self._away_seconds = away_seconds
        self._away: tuple[float, DatabaseUnreachable] | None = None
        self._pool = ConnectionPool(
            url,
            kwargs=self.session,
            min_size=0,
            max_size=max_connections,
            timeout=CONNECT_TIMEOUT_SECONDS,
            max_idle=600,
            num_workers=1,
            reconnect_timeout=CONNECT_TIMEOUT_SECONDS,
            open=True,
        )

    @contextmanager
    def transaction(self, *, pipelined: bool = False) -> Iterator[psycopg.Connection]:
        """A connection in a transaction that commits at the end of the block and rolls back on an error.

        Pipelined, a statement is sent without waiting for the answers to those before, until one's rows are fetched.

        Raises:
            DatabaseUnreachable: no connection could be had in time.
        """
        with (
            self._lend() as connection,
            connection.pipeline() if pipelined else nullcontext(),
            connection.transaction(),
        ):
            yield connection

    def fetch(self, name: str, params: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one named statement, a transaction by itself, in one round trip; returns its rows.

        Raises:
            DatabaseUnreachable: no connection could be had in time.
        """
        with self._lend() as connection:
            return connection.execute(statement(name), params).fetchall()

    @contextmanager
    def _lend(self) -> Iterator[psycopg.Connection]:
        if self._away is not None and time.monotonic() < self._away[0]:
            raise self._away[1]
        try:
            connection = self._pool.getconn()
        except (PoolTimeout, psycopg.OperationalError) as error:
            away = unreachable(self.url, error)
            self._away = (time.monotonic() + self._away_seconds, away)
            raise away from error
        try:
            yield connection
        except BaseException:
            if connection.closed:
                # The server went away: the other idle connections are most likely dead too.
                self._pool.check()
            raise
        finally:
            self._pool.putconn(connection)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


def _options(application_name: str) -> dict[str, Any]:
    return {"application_name": application_name, "connect_timeout": CONNECT_TIMEOUT_SECONDS, **_KEEPALIVE}
