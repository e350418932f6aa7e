"""An IMAP connection together with the schedules that sync and watch it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import psycopg

from infra.postgres.connections import NewConnection
from infra.postgres.scheduled_connections import add_scheduled_connection
from infra.secrets import Keyring

SYNC_TYPE = "email.sync"
WATCH_TYPE = "email.watch"

#: A watch lasts as long as its job may. A fire while one runs makes none, so that one that ended is soon followed.
WATCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class AddedMailConnection:
    """What was made."""

    connection_id: int
    schedule_id: int
    watch_schedule_id: int
    account_id: int
    name: str


def add_imap_connection(
    connection: psycopg.Connection, keyring: Keyring, new: NewConnection, *, every: timedelta
) -> AddedMailConnection:
    """Make the connection, the schedule that syncs it and the one that keeps a watch on it; both are due at once.

    Raises:
        InvalidName, NotAllowed, InvalidSchedule, UnknownType: see `add_scheduled_connection`.
    """
    rhythms = {SYNC_TYPE: every, WATCH_TYPE: WATCH_EVERY}
    connection_id, schedules = add_scheduled_connection(connection, keyring, new, every=rhythms)
    return AddedMailConnection(connection_id, schedules[SYNC_TYPE], schedules[WATCH_TYPE], new.account_id, new.name)
