"""A CalDAV connection together with the schedule that syncs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import psycopg

from infra.postgres.connections import NewConnection
from infra.postgres.scheduled_connections import add_scheduled_connection
from infra.secrets import Keyring

SYNC_TYPE = "calendar.sync"


@dataclass(frozen=True, slots=True)
class AddedConnection:
    """What was made."""

    connection_id: int
    schedule_id: int
    account_id: int
    name: str


def add_caldav_connection(
    connection: psycopg.Connection, keyring: Keyring, new: NewConnection, *, every: timedelta
) -> AddedConnection:
    """Make the connection and its schedule, whose first fire is due at once.

    Raises:
        InvalidName, NotAllowed, InvalidSchedule, UnknownType: see `add_scheduled_connection`.
    """
    connection_id, schedules = add_scheduled_connection(connection, keyring, new, every={SYNC_TYPE: every})
    return AddedConnection(connection_id, schedules[SYNC_TYPE], new.account_id, new.name)
