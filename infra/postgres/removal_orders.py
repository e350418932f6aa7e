"""Ordering that a connection goes: nothing begins over it from then on, and a job deletes what came over it."""

from __future__ import annotations

import psycopg

from infra.postgres.connection_removal import stop_connection
from infra.postgres.connections import read_connection
from infra.postgres.enqueue import NewJob, enqueue_many
from infra.postgres.ordered_types import REMOVE_TYPE
from infra.secrets import Keyring
from retinue.errors import NotFound
from retinue.payload import Payload


class Removing(Payload):
    """Which connection goes. Not called `connection_id`: jobs of that connection are cancelled, and this is none."""

    removed: int


def order_removal(connection: psycopg.Connection, keyring: Keyring, account_id: int, connection_id: int) -> int:
    """Stop a connection of this account, in the caller's transaction, and have a job remove it; the job's ID.

    The caller rings the bell. Ordered twice, it is one job.

    Raises:
        NotFound: the account has no such connection.
    """
    if read_connection(connection, connection_id).account_id != account_id:
        raise NotFound(f"There is no connection {connection_id} in this account.")
    stop_connection(connection, keyring, connection_id, account_id)
    new = NewJob(
        type=REMOVE_TYPE,
        account_id=account_id,
        payload=Removing(removed=connection_id),
        unique_key=f"remove:{connection_id}",
    )
    (made,) = enqueue_many(connection, [new])
    return made.id
