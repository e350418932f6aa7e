"""A CalDAV connection together with the schedule that syncs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import psycopg

from infra.postgres.connections import NewConnection, add_connection
from infra.postgres.schedules import NewSchedule, add_schedule
from infra.secrets import Keyring
from retinue.schedule import Every

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
        InvalidName, NotAllowed: see `add_connection`.
        InvalidSchedule: the interval cannot be used.
        UnknownType: no servant for calendars is installed.
    """
    connection_id = add_connection(connection, keyring, new)
    schedule = NewSchedule(
        type=SYNC_TYPE,
        # Of its own, whatever the account's connections are called.
        name=f"connection {connection_id}",
        rule=Every(every),
        account_id=new.account_id,
        payload={"connection_id": connection_id},
    )
    return AddedConnection(connection_id, add_schedule(connection, schedule), new.account_id, new.name)
