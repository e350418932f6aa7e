"""Connections of the PostgreSQL transport. A line is asked by one thread at a time, and can wait for a ring.

A receive waits and takes on one connection: what rang is asked at once, without a hand-over to another thread.
"""

from __future__ import annotations

import math
import os
import select
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from infra.postgres.connect import connect
from infra.postgres.statements import statement

#: A plan is kept, and one made while the table was tiny must not read all of it once it is full of dead rows. No
#: commit waits for the disk: what it says is a hint.
OPTIONS = "-c enable_seqscan=off -c enable_bitmapscan=off -c synchronous_commit=off"


class Line:
    """One connection; with a channel it hears what is rung there."""

    def __init__(self, url: str, channel: str | None) -> None:
        self.channel = channel
        #: Nothing has been asked on it: if that fails, it is not for a server that went away meanwhile.
        self.fresh = True
        self._rung = False
        self._connection = connect(url, application_name="retinue-queues", autocommit=True, options=OPTIONS)
        self._connection.add_notify_handler(self._ring)
        self._reader, self._writer = os.pipe()
        self._waits = select.poll()
        for descriptor in (self._reader, self._connection.fileno()):
            self._waits.register(descriptor, select.POLLIN)

    def ask(self, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one named statement, a transaction by itself; its rows. It answers all rings heard so far.

        Raises:
            psycopg.Error: there is no answer.
        """
        if self.fresh and self.channel is not None:
            self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.channel)))
        self._rung = False
        rows = self._connection.execute(statement(name), params).fetchall()
        self.fresh = False
        return rows

    def wait(self, seconds: float) -> None:
        """Wait until it rings, `hang_up` is called or `seconds` have passed.

        Raises:
            psycopg.OperationalError: the connection is gone.
        """
        if self._rung:
            return
        self._waits.poll(math.ceil(1000 * max(0.0, seconds)))
        self._connection.pgconn.consume_input()
        while self._connection.pgconn.notifies():
            pass  # that it rang is all there is to know

    def hang_up(self) -> None:
        """End the wait of another thread, and all to come."""
        os.write(self._writer, b"\0")

    def close(self) -> None:
        self._connection.close()
        os.close(self._reader)
        os.close(self._writer)

    def _ring(self, _notify: psycopg.Notify) -> None:
        """A ring came with the answer to a statement, which may not have seen what it rang for."""
        self._rung = True


class Lines:
    """The lines of one process, opened as they are needed and kept for the next who asks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._idle: list[Line] = []
        self._lent: set[Line] = set()
        self._closed = False
        #: No thread may wait any more.
        self.ended = False

    def ask(self, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one named statement, and once more if its line had gone dead while it was idle.

        Raises:
            DatabaseUnreachable, psycopg.Error: there is no answer.
        """
        fresh = True
        try:
            with self.lend() as line:
                fresh = line.fresh
                return line.ask(name, params)
        except psycopg.OperationalError:
            if fresh:
                raise
        self.drop_idle()
        with self.lend() as line:
            return line.ask(name, params)

    @contextmanager
    def lend(self, channel: str | None = None) -> Iterator[Line]:
        """A line on this channel. One that failed is not kept.

        Raises:
            DatabaseUnreachable: nothing answers.
        """
        line = self._pick(channel) or Line(self._url, channel)
        with self._lock:
            self._lent.add(line)
            if self.ended:
                line.hang_up()
        failed = True
        try:
            yield line
            failed = False
        finally:
            self._take_back(line, failed=failed)

    def drop_idle(self) -> None:
        """Close the lines that nobody uses: where one was dead, the others most likely are."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    def end_waits(self) -> None:
        """End every wait on a line, and all to come."""
        with self._lock:
            self.ended = True
            for line in (*self._lent, *self._idle):
                line.hang_up()

    def close(self) -> None:
        """Close every line, those in use when they come back."""
        self._closed = True
        self.drop_idle()

    def _pick(self, channel: str | None) -> Line | None:
        with self._lock:
            line = next((line for line in self._idle if line.channel == channel), None)
            if line is not None:
                self._idle.remove(line)
        return line

    def _take_back(self, line: Line, *, failed: bool) -> None:
        with self._lock:
            self._lent.discard(line)
            keep = not failed and not self._closed
            if keep:
                self._idle.append(line)
        if not keep:
            line.close()
