"""Hears what the database says has changed, by one connection."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg

from infra.logs import get_logger
from infra.postgres.bell import PAGES, listen
from infra.postgres.connect import Database, DatabaseUnreachable

#: How long to wait before listening again after the connection was lost, in seconds.
RELISTEN_SECONDS = 2.0

log = get_logger(__name__)


class Ear:
    """Calls `on_ring` in a thread of its own."""

    def __init__(self, database: Database, on_ring: Callable[[], None]) -> None:
        self._database = database
        self._on_ring = on_ring
        self._stopped = threading.Event()

    def start(self) -> None:
        """From now on until `stop`."""
        threading.Thread(target=self._listen, name="live-ear", daemon=True).start()

    def stop(self) -> None:
        """Within a few seconds; waits for nothing."""
        self._stopped.set()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                listen(self._database.url, self._on_ring, self._stopped, channel=PAGES, check_seconds=1)
            except (psycopg.Error, DatabaseUnreachable) as error:
                # Pages look each second all the same.
                log.info("listen_failed", error=str(error))
                self._stopped.wait(RELISTEN_SECONDS)
