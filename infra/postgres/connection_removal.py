"""A connection is removed: its schedules, its unfinished jobs, its credentials, and everything that came over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from infra.postgres.breakers import connection_scope
from infra.postgres.connection_data import count_data, delete_data
from infra.postgres.connections import read_connection, strip_connection
from infra.postgres.holds import connection_lane, release_holds
from infra.postgres.incidents import lock_incidents
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.settle import settle_jobs
from infra.secrets import Keyring
from retinue.holds import HoldKind
from retinue.settlement import Settlement
from retinue.states import JobState, Reason

#: Jobs that are ended in one transaction.
_JOBS = 500

#: Tables that are not worth telling of: they say how the connection is used, and not what came over it.
_OWN_UPKEEP = frozenset({"budgets", "budget_states", "budget_usage", "budget_leases", "incidents", "imports"})

_OF_CONNECTION = """(
    lane = %(lane)s OR account_id = %(account_id)s AND payload @> jsonb_build_object('connection_id', %(id)s::bigint)
)"""

_SCHEDULES = f"SELECT count(*) FROM schedules WHERE {_OF_CONNECTION}"  # noqa: S608 - the condition is the constant above
_DROP_SCHEDULES = f"DELETE FROM schedules WHERE {_OF_CONNECTION}"  # noqa: S608 - likewise
_JOBS_COUNTED = f"SELECT count(*) FROM jobs WHERE {_OF_CONNECTION}"  # noqa: S608 - likewise
# By the primary key, so that a long backlog is passed through once.
_NEXT_JOBS = f"SELECT id FROM jobs WHERE id > %(after)s AND {_OF_CONNECTION} ORDER BY id LIMIT {_JOBS}"  # noqa: S608 - likewise

_RUNNING = "SELECT id, attempt FROM jobs WHERE id = ANY(%s) AND state = 'running'"


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes with a connection. `rows` are by table, each at most one more than `connection_data.MOST_COUNTED`."""

    connection_id: int
    account_id: int
    provider: str
    name: str
    schedules: int
    jobs: int
    rows: dict[str, int]


def plan_removal(connection: psycopg.Connection, connection_id: int) -> Removal:
    """What would go.

    Raises:
        NotFound: there is no such connection.
    """
    known = read_connection(connection, connection_id)
    params = _params(connection_id, known.account_id)
    rows = {k: n for k, n in count_data(connection, connection_id).items() if k not in _OWN_UPKEEP}
    return Removal(
        connection_id,
        known.account_id,
        known.provider,
        known.name,
        _number(connection, _SCHEDULES, params),
        _number(connection, _JOBS_COUNTED, params),
        rows,
    )


def remove_connection(connection: psycopg.Connection, keyring: Keyring, removal: Removal) -> Iterator[tuple[str, int]]:
    """Remove it, in short transactions; gives each table and how many rows of it are gone, batch by batch.

    What stops half-way leaves a connection that nothing uses, and goes on when it is called again. `connection` is in
    autocommit mode. The caller rings the bell.
    """
    params = _params(removal.connection_id, removal.account_id)
    with connection.transaction():
        stop_connection(connection, keyring, removal.connection_id, removal.account_id)
    # A job that is made from now on has nothing to sign in with, and one that has begun before is met here.
    _end_jobs(connection, params)
    for table, rows in delete_data(connection, removal.connection_id, removal.account_id):
        if table not in _OWN_UPKEEP:
            yield table, rows
    _end_jobs(connection, params)
    with connection.transaction():
        lock_incidents(connection, removal.connection_id)
        connection.execute("DELETE FROM connections WHERE id = %(id)s", params)
        connection.execute("DELETE FROM breakers WHERE scope = %s", (connection_scope(removal.connection_id),))
        release_holds(connection, list(HoldKind), scope=connection_scope(removal.connection_id))
        release_holds(connection, list(HoldKind), lane=connection_lane(removal.connection_id))


def stop_connection(connection: psycopg.Connection, keyring: Keyring, connection_id: int, account_id: int) -> None:
    """Let nothing begin over it any more: its schedules go, and its credentials.

    Raises:
        NotFound: there is no such connection.
    """
    connection.execute(_DROP_SCHEDULES, _params(connection_id, account_id))
    strip_connection(connection, keyring, connection_id)


def _end_jobs(connection: psycopg.Connection, params: dict[str, object]) -> None:
    """Cancel what is unfinished. What runs loses its attempt: a write under way ends first, and none comes after it."""
    after = 0
    while ids := [row[0] for row in connection.execute(_NEXT_JOBS, params | {"after": after}).fetchall()]:
        with connection.transaction():
            cancel_jobs(connection, ids)
            running = connection.execute(_RUNNING, (ids,)).fetchall()
            ended = [(Settlement(job, attempt, JobState.CANCELLED, Reason.CANCEL), None) for job, attempt in running]
            settle_jobs(connection, ended, shard=0)
        after = ids[-1]


def _params(connection_id: int, account_id: int) -> dict[str, object]:
    return {"id": connection_id, "account_id": account_id, "lane": connection_lane(connection_id)}


def _number(connection: psycopg.Connection, query: str, params: dict[str, object]) -> int:
    row = connection.execute(query.encode(), params).fetchone()
    return int(row[0]) if row else 0
