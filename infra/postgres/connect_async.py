"""PostgreSQL from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from infra.postgres.connect import CONNECT_TIMEOUT_SECONDS, Database, unreachable

#: Hundreds of jobs share these; PostgreSQL does no more at once anyway.
MAX_CONNECTIONS = 8

#: How long a job may wait for its turn, in seconds.
TURN_SECONDS = 30


class AsyncDatabase:
    """A small pool of connections for one event loop, opened as they are needed."""

    def __init__(self, database: Database) -> None:
        """To the same server, with the same settings."""
        self._url = database.url
        self._session = database.session
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A connection in a transaction that commits at the end of the block and rolls back on an error.

        Raises:
            DatabaseUnreachable: no connection could be had in time.
        """
        pool = await self._opened()
        try:
            connection = await pool.getconn()
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise unreachable(self._url, error) from error
        try:
            async with connection.transaction():
                yield connection
        finally:
            await pool.putconn(connection)

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.close()

    async def _opened(self) -> AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self._url,
                kwargs=self._session,
                min_size=0,
                max_size=MAX_CONNECTIONS,
                timeout=TURN_SECONDS,
                max_idle=600,
                num_workers=1,
                reconnect_timeout=CONNECT_TIMEOUT_SECONDS,
                open=False,
            )
            await self._pool.open()
        return self._pool


class Rows:
    """What a statement gave, read already."""

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows


class ThreadView:
    """An `AsyncConnection` as code in another thread sees it, so that a statement has one home for both worlds.

    It is its own cursor, whose rows are tuples.
    """

    autocommit = False

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Inside the loop of the connection."""
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        #: Set in the loop before the transaction ends: what comes later must not land outside it.
        self.closed = False

    def execute(self, query: Any, params: Any = None) -> Rows:
        """Run one statement; only outside the loop's thread."""
        return asyncio.run_coroutine_threadsafe(self._execute(query, params), self._loop).result()

    def cursor(self, **_: Any) -> ThreadView:
        return self

    @property
    def info(self) -> psycopg.ConnectionInfo:
        return self._connection.info

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A savepoint; only outside the loop's thread."""
        # Plain statements: psycopg's own block, left open where the view is closed, would spoil the connection.
        self.execute("SAVEPOINT thread_view")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO SAVEPOINT thread_view")
            self.execute("RELEASE SAVEPOINT thread_view")
            raise
        self.execute("RELEASE SAVEPOINT thread_view")

    async def _execute(self, query: Any, params: Any) -> Rows:
        if self.closed:
            raise psycopg.InterfaceError("the transaction is over")
        cursor = await self._connection.execute(query, params)
        rows = await cursor.fetchall() if cursor.description is not None else []
        return Rows(rows, cursor.rowcount)
