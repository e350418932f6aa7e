"""The file that the org's data is in: SQLite, one writer at a time, readers that each see one moment."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.salesforce.clock import Clock, stamp

#: Seconds that a statement waits for another process's lock on the file.
_BUSY_SECONDS = 30.0

#: What is read of the file without a call for each page of it.
_MAPPED_BYTES = 4 * 1024**3

#: Read connections kept open for the next reader.
_KEPT = 16


class Store:
    """Connections to one file. `read` and `write` may be used from any thread."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._writing = threading.RLock()
        self._writer: int | None = None
        self._free: deque[sqlite3.Connection] = deque()
        self._connection = self._open()
        self._connection.execute("PRAGMA journal_mode = WAL")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: kept at the end of the block, undone where it ends with an exception.

        One within another is part of it, and can be undone by itself.
        """
        with self._writing:
            if self._writer == threading.get_ident():
                with _savepoint(self._connection):
                    yield self._connection
                return
            self._writer = threading.get_ident()
            try:
                with _transaction(self._connection):
                    yield self._connection
            finally:
                self._writer = None

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """What is there at this moment, whatever is written meanwhile; within `write`, that transaction's own view."""
        if self._writer == threading.get_ident():
            yield self._connection
            return
        connection = self._taken() or self._open()
        _begin_reading(connection)
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._give_back(connection)

    def snapshot(self) -> sqlite3.Connection:
        """A connection of the caller's own, to read one moment from for as long as it takes; the caller closes it."""
        connection = self._open()
        _begin_reading(connection)
        return connection

    def close(self) -> None:
        while self._free:
            self._free.pop().close()
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        connection.create_function("sandbox_now", 0, self._now, deterministic=True)
        connection.create_function("sandbox_today", 0, self._today, deterministic=True)
        return connection

    def _taken(self) -> sqlite3.Connection | None:
        """A connection that nobody reads from just now."""
        try:
            return self._free.pop()
        except IndexError:
            return None

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if len(self._free) < _KEPT:
            self._free.append(connection)
        else:
            connection.close()

    def _now(self) -> str:
        return stamp(self._clock.now())

    def _today(self) -> str:
        return self._clock.now().date().isoformat()


def _begin_reading(connection: sqlite3.Connection) -> None:
    """The moment that is seen is that of the first statement, so one is made."""
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT inner_write")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO inner_write")
        connection.execute("RELEASE inner_write")
        raise
    connection.execute("RELEASE inner_write")
