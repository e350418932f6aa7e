"""What a process says of itself and its type when it starts, and how many connections it needs."""

from __future__ import annotations

import os
import socket
from typing import Any

from infra.postgres.connect import Database
from infra.version import VERSION
from retinue.servant import ServantType

#: How many threads do beside an event loop what would hold it up.
BESIDE_LOOP = 8


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
    here = {"host": socket.gethostname(), "pid": os.getpid(), "version": VERSION}
    return int(database.fetch("register_servant", {**here, "type": servant.name, "slots": servant.slots})[0][0])
