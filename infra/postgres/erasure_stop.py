"""The first part of an erasure: nothing works for the account any more."""

from __future__ import annotations

import psycopg

from infra.postgres.holds import hold_lanes
from infra.postgres.job_actions import cancel_jobs
from infra.postgres.settle import settle_jobs
from infra.postgres.statements import statement
from retinue.holds import Hold, HoldKind
from retinue.lanes import ACCOUNT
from retinue.settlement import Settlement
from retinue.states import JobState, Reason

#: Jobs that are ended in one transaction.
BATCH = 500

#: Whose hold it is: no person's pause, which a person may end.
_SCOPE = "erasure"


def account_lane(account_id: int) -> str:
    """The lane of the jobs whose type names no other."""
    return f"{ACCOUNT}:{account_id}"


def close_account(connection: psycopg.Connection, account_id: int) -> bool:
    """Have no data key made for the account from the commit on; whether there is one to erase.

    Whoever ordered the erasure has done it, unless its job was made by hand.
    """
    return connection.execute(statement("begin_erasure"), {"account_id": account_id}).fetchone() is not None


def stop_schedules(connection: psycopg.Connection, account_id: int) -> int:
    """Delete the account's schedules and hold its lanes, in the caller's transaction; how many schedules."""
    params = {"account_id": account_id, "account_lane": account_lane(account_id)}
    gone = connection.execute("DELETE FROM schedules WHERE account_id = %(account_id)s", params).rowcount
    lanes = connection.execute(statement("list_lanes_of_account"), params).fetchall()
    hold = Hold(HoldKind.PAUSE, _SCOPE, None, "the account is being erased")
    hold_lanes(connection, [((job_type, lane), hold) for job_type, lane in lanes])
    return gone


def cancel_next(connection: psycopg.Connection, account_id: int, after: int) -> int | None:
    """Cancel what waits and ask what runs to stop, of the next jobs beyond `after`; the last one's ID, None at the end.

    In the caller's transaction.
    """
    params = {"account_id": account_id, "after": after, "limit": BATCH}
    ids = [row[0] for row in connection.execute(statement("list_unfinished_jobs_of_account"), params)]
    cancel_jobs(connection, ids)
    return ids[-1] if ids else None


def has_jobs(connection: psycopg.Connection, account_id: int) -> bool:
    """Whether somebody has made jobs for it meanwhile."""
    query = "SELECT EXISTS (SELECT FROM jobs WHERE account_id = %s)"
    return connection.execute(query, (account_id,)).fetchone() == (True,)


def running(connection: psycopg.Connection, account_id: int) -> list[tuple[int, int]]:
    """The jobs that run still, at most a batch, each with its attempt."""
    params = {"account_id": account_id, "limit": BATCH}
    return [(job, attempt) for job, attempt in connection.execute(statement("list_running_jobs_of_account"), params)]


def end_running(connection: psycopg.Connection, account_id: int) -> int:
    """Take their attempts from jobs that do not stop, at most a batch: nothing of theirs is written any more."""
    left = running(connection, account_id)
    ended = [(Settlement(job, attempt, JobState.CANCELLED, Reason.CANCEL), None) for job, attempt in left]
    settle_jobs(connection, ended, shard=0)
    return len(ended)
