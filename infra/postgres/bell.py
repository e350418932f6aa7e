"""Wakes the schedulers after a commit.

PostgreSQL takes one global lock at the commit of a transaction that called NOTIFY, so the bell is never rung inside the
transaction that enqueues. It is rung after it, from a thread of its own, at most once in a few milliseconds; a ring
that is lost only costs the wait for the next poll.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg

from infra.logs import get_logger
from infra.postgres.connect import DatabaseUnreachable, connect

#: The channel schedulers listen on.
CHANNEL = "retinue_due"

#: The channel managers listen on; triggers ring it when what open pages show has changed.
PAGES = "retinue_pages"

#: At most one NOTIFY in this many seconds for a process.
MIN_GAP_SECONDS = 0.003

log = get_logger(__name__)


class Bell:
    """Rings without making the caller wait."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._changed = threading.Condition()
        self._rung = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Wake the schedulers soon; rings that come close together become one."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="bell", daemon=True)
                self._thread.start()
            self._rung = True
            self._changed.notify()

    def close(self) -> None:
        """Send what was rung and stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _serve(self) -> None:
        connection: psycopg.Connection | None = None
        while self._wait_for_ring():
            connection = self._notify(connection)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, MIN_GAP_SECONDS)
        if connection is not None:
            connection.close()

    def _wait_for_ring(self) -> bool:
        """False once the bell is closed and silent."""
        with self._changed:
            self._changed.wait_for(lambda: self._rung or self._closed)
            rung, self._rung = self._rung, False
            return rung

    def _notify(self, connection: psycopg.Connection | None) -> psycopg.Connection | None:
        try:
            if connection is None or connection.closed:
                connection = connect(self._url, application_name="retinue-bell", autocommit=True)
            connection.execute(f"NOTIFY {CHANNEL}".encode())
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("bell_not_rung", error=str(error))
            if connection is not None:
                connection.close()
            return None
        return connection


def listen(
    url: str,
    on_ring: Callable[[], None],
    stopped: threading.Event,
    *,
    channel: str = CHANNEL,
    check_seconds: float = 5,
) -> None:
    """Call `on_ring` at each ring of the channel until `stopped` is set; looks at `stopped` every `check_seconds`.

    Calls `on_ring` once after connecting, for rings that came before.

    Raises:
        DatabaseUnreachable, psycopg.Error: the connection failed; the caller decides when to listen again.
    """
    with connect(url, application_name="retinue-listen", autocommit=True) as connection:
        connection.execute(f"LISTEN {channel}".encode())
        on_ring()
        while not stopped.is_set():
            for _ in _rings(connection, check_seconds):
                on_ring()


def _rings(connection: psycopg.Connection, seconds: float) -> Iterator[psycopg.Notify]:
    yield from connection.notifies(timeout=seconds, stop_after=1)
