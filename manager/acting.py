"""The transaction of an operator's action, and what follows it: schedulers and open pages look at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from infra.logs import get_logger
from infra.postgres.connect import DatabaseUnreachable
from manager.deps import Deps

log = get_logger(__name__)


@contextmanager
def acting(deps: Deps) -> Iterator[psycopg.Connection]:
    """A transaction; once it has committed the bell is rung, and the pages that are open are told.

    Raises:
        DatabaseUnreachable: no connection could be had in time.
    """
    with deps.database.transaction() as connection:
        yield connection
    try:
        # By itself and not in the transaction: the lock of a NOTIFY makes commits wait for one another.
        deps.database.fetch("ring_bell")
    except (psycopg.Error, DatabaseUnreachable) as error:
        # What was done is done; the next poll finds it.
        log.info("ring_lost", error=str(error))
    deps.live.ring()
