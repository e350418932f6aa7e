"""A token of one account sees that account, and does not learn whether there are others."""

from __future__ import annotations

import psycopg

from infra.postgres.connections import ConnectionLine, list_connections
from infra.postgres.job_details import JobDetails, find_job
from manager.roles import current_user
from retinue.errors import NotFound


def own_account(asked: int | None = None) -> int | None:
    """The account to look at: the token's, else the one asked for; None is all.

    Raises:
        NotFound: the token is for another one.
    """
    own = current_user().account_id
    if own is not None and asked not in (None, own):
        raise NotFound(f"There is no account {asked}.")
    return asked if own is None else own


def is_own(account_id: int | None) -> bool:
    """Whether the one who asks may see what belongs to this account; None is nobody's."""
    own = current_user().account_id
    return own is None or own == account_id


def own_job(connection: psycopg.Connection, job_id: int) -> JobDetails:
    """A job that the one who asks may see, nothing masked.

    Raises:
        NotFound: there is none.
    """
    job = find_job(connection, job_id)
    if not is_own(job.account_id):
        raise NotFound(f"There is no job {job_id}. If it finished long ago, its history has been dropped since.")
    return job


def own_connection(connection: psycopg.Connection, connection_id: int) -> ConnectionLine:
    """A connection that the one who asks may see.

    Raises:
        NotFound: there is none.
    """
    found = list_connections(connection, connection_id=connection_id, limit=1)
    if not found or not is_own(found[0].account_id):
        raise NotFound(f"There is no connection {connection_id}.")
    return found[0]
