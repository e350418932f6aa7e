"""An IMAP connection together with the schedules that sync and watch it, and with what is known of its mailboxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg

from infra.postgres.connections import NewConnection
from infra.postgres.holds import connection_lane
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.scheduled_connections import add_scheduled_connection
from infra.postgres.statements import statement
from infra.secrets import Keyring

SYNC_TYPE = "email.sync"
WATCH_TYPE = "email.watch"

#: A watch lasts as long as its job may. A fire while one runs makes none, so that one that ended is soon followed.
WATCH_EVERY = timedelta(minutes=1)

#: Ports at which one server offers the same mailboxes, plain or encrypted; None stands for the usual one.
_USUAL_PORTS = (None, 143, 993)


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


def is_another_mailbox(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the settings of a connection may lead to other mail than before: another server, or another user."""
    return _place(before) != _place(after)


def forget_positions(connection: psycopg.Connection, connection_id: int) -> None:
    """Have the next sync take no UID for one that it knows: it recognises what lies there by its headers.

    Nothing stored is taken away before. A watch that runs is ended, for it listens to the server as it was; the next
    fire of its schedule begins another. Called before the connection's row is changed, for who settles a job locks in
    that order.
    """
    lane = {"type": WATCH_TYPE, "lane": connection_lane(connection_id)}
    watches = [row[0] for row in connection.execute(statement("list_running_jobs_of_lane"), lane)]
    if watches:
        cancel_jobs(connection, watches)
    connection.execute(statement("forget_mail_positions"), {"connection_id": connection_id})


def _place(config: Mapping[str, Any]) -> tuple[object, ...]:
    port = config.get("port")
    return str(config.get("host")).lower(), None if port in _USUAL_PORTS else port, config.get("username")
