"""Ordering that an account is erased: a job of the type `account.erase` does it."""

from __future__ import annotations

import psycopg

from infra.postgres.audit import Act, Actor, note
from infra.postgres.enqueue import NewJob, enqueue_many
from infra.postgres.ordered_types import ERASE_TYPE
from infra.postgres.statements import statement
from retinue.errors import NotAllowed, NotFound
from retinue.payload import Payload


class Erasure(Payload):
    """Which account to erase."""

    account_id: int


class NameDiffers(NotAllowed):
    """What was typed is not the account's name: nothing is erased."""


def order_erasure(
    connection: psycopg.Connection, actor: Actor, account_id: int, *, reason: str, typed_name: str | None = None
) -> int:
    """Begin to erase an account, in the caller's transaction; returns the job's ID. The caller rings the bell.

    The job belongs to no account: nothing of this one may stay, its jobs included. From the commit on no data key is
    made for it. `reason` stays in the audit for good, so it names nobody. Where
    `typed_name` is given it must be the account's name. An erasure that ended half-way goes on.

    Raises:
        NotFound: there is no such account.
        NameDiffers: `typed_name` is not its name.
        NotAllowed: its erasure is under way; names the job.
    """
    row = connection.execute(statement("begin_erasure"), {"account_id": account_id}).fetchone()
    if row is None:
        raise NotFound(f"There is no account {account_id}. `retinue accounts list` shows all.")
    if typed_name is not None and typed_name != row[0]:
        raise NameDiffers(f"That is not the name of account {account_id}: nothing was erased.")
    new = NewJob(type=ERASE_TYPE, payload=Erasure(account_id=account_id), unique_key=f"erase:{account_id}")
    (made,) = enqueue_many(connection, [new])
    if not made.created:
        raise NotAllowed(f"Account {account_id} is being erased already, by job {made.id}.")
    note(connection, actor, Act("account.erase", "account", account_id, account_id, {"reason": reason, "job": made.id}))
    return made.id
