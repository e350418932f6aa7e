"""Sends the IDs of dispatched jobs: with the transaction that dispatches them where their queue lies in the same
database, else as soon as it has committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from infra.logs import get_logger
from infra.postgres.connect import Database
from infra.queues.body import split
from infra.queues.transport import Queues, QueuesInDatabase, SendResult
from retinue.errors import TransientError
from scheduler.dispatch_traces import DispatchTraces
from scheduler.room import Room

if TYPE_CHECKING:
    from infra.otel import Dispatched

log = get_logger(__name__)


class Parcel(NamedTuple):
    """The dispatched jobs of one type. `send`, called after the commit, sends them or tells how that went with it."""

    type: str
    ids: Sequence[int]
    send: Callable[[], SendResult]
    traced: Sequence[Dispatched]


class Sender:
    """Sends parcels, and has what does not go out wait in the table."""

    def __init__(self, database: Database, queues: Queues, traces: DispatchTraces | None) -> None:
        self._database = database
        self._queues = queues
        self._in_database = queues if isinstance(queues, QueuesInDatabase) else None
        self._traces = traces

    def pack(
        self, connection: psycopg.Connection, rooms: Mapping[str, Room], queued: Mapping[str, Sequence[int]]
    ) -> list[Parcel]:
        """A parcel for each type, inside the transaction that dispatches its jobs."""
        return [self._pack(connection, rooms[job_type], ids) for job_type, ids in queued.items() if ids]

    def send(self, parcels: Sequence[Parcel]) -> int:
        """Send them, after the commit; how many jobs went out.

        Raises:
            TransientError: a queue did not take its jobs, which were put back; those of the other types were sent.
        """
        sent, failed = 0, None
        for parcel in parcels:
            try:
                sent += self._send(parcel)
            except TransientError as error:
                failed = error
        if failed is not None:
            raise failed
        return sent

    def _pack(self, connection: psycopg.Connection, room: Room, ids: Sequence[int]) -> Parcel:
        # Before they go out: a job may have finished as soon as they have.
        traced = self._traces.read(connection, ids) if self._traces else []
        batches = split(ids, room.ids_per_message)
        if self._in_database is not None:
            send = self._in_database.send_in(connection, room.type, batches)
        else:
            send = partial(self._queues.send, room.type, batches)
        return Parcel(room.type, ids, send, traced)

    def _send(self, parcel: Parcel) -> int:
        try:
            result = parcel.send()
        except TransientError as error:
            log.warning("send_failed", type=parcel.type, jobs=len(parcel.ids), error=str(error))
            self._put_back(parcel.ids)
            raise
        if result.failed_ids:
            log.warning("send_failed_in_part", type=parcel.type, jobs=len(result.failed_ids))
            self._put_back(result.failed_ids)
        if self._traces:
            self._traces.sent(parcel.traced, result.sent_ids)
        return len(result.sent_ids)

    def _put_back(self, ids: Sequence[int]) -> None:
        """What was not sent waits in the table, not as `queued`."""
        self._database.fetch("put_back_unsent_jobs", {"ids": list(ids)})
