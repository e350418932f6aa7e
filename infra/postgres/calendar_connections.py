"""A CalDAV connection together with the schedule that syncs it, and with what is known of its calendars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg

from infra.postgres.connections import NewConnection
from infra.postgres.scheduled_connections import add_scheduled_connection
from infra.postgres.statements import statement
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


def has_other_calendars(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the settings of a connection may lead to other calendars than before: another server, or another user."""
    return _place(before) != _place(after)


def forget_versions(connection: psycopg.Connection, connection_id: int) -> None:
    """Have the next sync read every object anew, whatever its server calls its version; nothing is taken away."""
    connection.execute(statement("forget_calendar_tokens"), {"connection_id": connection_id})
    connection.execute(statement("forget_calendar_etags"), {"connection_id": connection_id})


def _place(config: Mapping[str, Any]) -> tuple[object, ...]:
    return urlsplit(str(config.get("url"))).netloc.lower(), config.get("username")
