"""A connection made together with the schedules that work on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import psycopg

from infra.postgres.connections import NewConnection, add_connection
from infra.postgres.schedules import NewSchedule, add_schedule
from infra.secrets import Keyring
from retinue.schedule import Every


def add_scheduled_connection(
    connection: psycopg.Connection, keyring: Keyring, new: NewConnection, *, every: Mapping[str, timedelta]
) -> tuple[int, dict[str, int]]:
    """Make the connection and a schedule for each job type in `every`, whose first fire is due at once.

    The payload of their jobs names the connection. Returns its ID and the schedules' IDs by type.

    Raises:
        InvalidName, NotAllowed: see `add_connection`.
        InvalidSchedule: an interval cannot be used.
        UnknownType: no servant of such a type is installed.
    """
    connection_id = add_connection(connection, keyring, new)
    schedules = {
        job_type: add_schedule(connection, _schedule(job_type, interval, new.account_id, connection_id))
        for job_type, interval in every.items()
    }
    return connection_id, schedules


def _schedule(job_type: str, interval: timedelta, account_id: int, connection_id: int) -> NewSchedule:
    return NewSchedule(
        type=job_type,
        # Of its own, whatever the account's connections are called.
        name=f"connection {connection_id}",
        rule=Every(interval),
        account_id=account_id,
        payload={"connection_id": connection_id},
    )
