"""What a process says of itself and its type when it starts and ends, and how many connections it needs."""

from __future__ import annotations

import os
import socket
from typing import Any

import psycopg

from infra.logs import get_logger
from infra.postgres.connect import Database, DatabaseUnreachable
from infra.version import VERSION
from retinue.servant import ServantType

#: How many threads do beside an event loop what would hold it up.
BESIDE_LOOP = 8

log = get_logger(__name__)


def connections_of(servant: ServantType[Any]) -> int:
    """How many connections to the database its jobs may use at once, those of an event loop left out."""
    return min(servant.slots, BESIDE_LOOP) if servant.is_async else servant.slots


def register(database: Database, servant: ServantType[Any]) -> int:
    """Announce the type and this process; returns the servant's ID."""
    rules = {
        "type": servant.name,
        "slots": servant.slots,
        "timeout_seconds": servant.timeout.total_seconds(),
        "lane_limit": servant.lane_places,
        "type_limit": servant.type_limit,
        "order_policy": servant.order,
    }
    database.fetch("register_type", rules)
    return int(database.fetch("register_servant", {**_here(), "type": servant.name, "slots": servant.slots})[0][0])


def _here() -> dict[str, Any]:
    # supervisord tells every process that it starts by what name it keeps it.
    process = os.environ.get("SUPERVISOR_PROCESS_NAME")
    return {"host": socket.gethostname(), "pid": os.getpid(), "process": process, "version": VERSION}


def say_stopped(database: Database, servant_id: int) -> None:
    """Note that this servant stopped; where that cannot be said, rescue finds out."""
    try:
        database.fetch("stop_servant", {"servant_id": servant_id})
    except (psycopg.Error, DatabaseUnreachable) as error:
        log.warning("stop_not_recorded", servant=servant_id, error=str(error))
