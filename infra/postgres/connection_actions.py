"""What operators do with a connection: have it tried or read now, stop its lanes and let them go on, read it anew.

Each works in the caller's transaction; the caller rings the bell.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg

from infra.postgres.calendar_connections import forget_versions
from infra.postgres.connections import StoredConnection, read_connection
from infra.postgres.enqueue import enqueue
from infra.postgres.holds import connection_lane, hold_connection_lanes, release_holds
from infra.postgres.incidents import lock_incidents, request_probe
from infra.postgres.mail_connections import forget_positions
from infra.postgres.salesforce_connections import SYNC_TYPE as SALESFORCE_SYNC
from infra.postgres.salesforce_objects import list_objects
from infra.postgres.schedule_lines import ScheduleLine, list_connection_schedules
from infra.postgres.schedules import run_schedule
from retinue.errors import NotAllowed
from retinue.holds import Hold, HoldKind

#: A resync that somebody asked for goes before what schedules make.
ASKED_PRIORITY = 3


@dataclass(frozen=True, slots=True)
class Tried:
    """What a test of a connection comes to: the incidents whose probe the next job is, and the jobs that try it."""

    incidents: Sequence[int]
    jobs: Sequence[int]


def try_now(connection: psycopg.Connection, connection_id: int) -> Tried:
    """Have the connection tried by its own jobs: an open incident is probed, and it is synced now.

    Raises:
        NotFound: there is no such connection.
        NotAllowed: it has no schedule that could tell what to run.
    """
    return Tried(request_probe(connection, connection_id), sync_now(connection, connection_id))


def sync_now(connection: psycopg.Connection, connection_id: int) -> list[int]:
    """Run what keeps the connection in step, now; the jobs, those that were unfinished already among them.

    Raises:
        NotFound: there is no such connection.
        NotAllowed: it has no schedule that could tell what to run.
    """
    read_connection(connection, connection_id)
    schedules = list_connection_schedules(connection, connection_id)
    if not schedules:
        raise NotAllowed(f"Connection {connection_id} has no schedule: `retinue schedules add` makes one.")
    return [run_schedule(connection, schedule.id).id for schedule in _syncs(schedules)]


def pause_connection(connection: psycopg.Connection, connection_id: int, *, reason: str) -> list[str]:
    """Start nothing more of the connection until it is resumed; what is under way goes on. The types it stops.

    Raises:
        NotFound: there is no such connection.
        NotAllowed: it has no lane yet, as none of its jobs was ever made.
    """
    read_connection(connection, connection_id)
    lanes = hold_connection_lanes(connection, connection_id, Hold(HoldKind.PAUSE, "", None, reason))
    if not lanes:
        raise NotAllowed(f"Connection {connection_id} has no lane yet: none of its jobs was ever made.")
    return sorted(job_type for job_type, _ in lanes)


def resume_connection(connection: psycopg.Connection, connection_id: int) -> list[str]:
    """End the pauses of the connection's lanes; the types that go on."""
    lanes = release_holds(connection, [HoldKind.PAUSE], lane=connection_lane(connection_id))
    return sorted({job_type for job_type, _ in lanes})


def resync(connection: psycopg.Connection, connection_id: int, names: Collection[str] = ()) -> list[int]:
    """Read the connection anew as a whole, of an org these objects; the jobs that begin it. Nothing is deleted before.

    Raises:
        NotFound: there is no such connection.
        NotAllowed: an object is not synced, or it is not known how to read this provider's connections anew.
    """
    found = read_connection(connection, connection_id)
    if found.provider == "salesforce":
        return [resync_objects(connection, found, names)]
    lock_incidents(connection, connection_id)
    if found.provider == "imap":
        forget_positions(connection, connection_id)
    elif found.provider == "caldav":
        forget_versions(connection, connection_id)
    else:
        raise NotAllowed(f"Connections to {found.provider} are not read anew from here.")
    return sync_now(connection, connection_id)


def resync_objects(connection: psycopg.Connection, found: StoredConnection, names: Collection[str]) -> int:
    """Read objects of an org anew as a whole; the job that begins it.

    Raises:
        NotAllowed: one of them is not synced, or none is named.
    """
    synced = {one.name for one in list_objects(connection, found.id)}
    unknown = sorted({*names} - synced)
    if unknown or not names:
        told = f"{', '.join(unknown)} is not synced" if unknown else "name the objects to read anew"
        raise NotAllowed(f"{told}. Those that are: {', '.join(sorted(synced)) or 'none yet'}.")
    payload = {"connection_id": found.id, "resync": sorted(names)}
    return enqueue(connection, SALESFORCE_SYNC, payload, account_id=found.account_id, priority=ASKED_PRIORITY).id


def _syncs(schedules: Sequence[ScheduleLine]) -> Sequence[ScheduleLine]:
    """Those that keep it in step; a package of one's own may call them otherwise."""
    return [schedule for schedule in schedules if schedule.type.endswith(".sync")] or schedules
