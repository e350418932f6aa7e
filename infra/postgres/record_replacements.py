"""Reading all records of a kind anew: what is gone at the provider is deleted once everything was read.

The records that a replacement reads are merged like any others, each as it comes, so that readers always see every
record in its newest known state. What it has seen is kept beside them; a crash or a pause in the middle costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infra.postgres.records import Executor, ReplacementOver, Target, take_feed
from infra.postgres.statements import statement
from retinue.job import Commit


@dataclass(frozen=True, slots=True)
class Replacement:
    """A reading under way; what it reads is merged with its `generation`."""

    generation: int
    began_at: datetime


def begin_replacement(tx: Commit, target: Target, *, began_at: datetime) -> Replacement:
    """Begin to read all of a kind anew, by the clock that also tells `observed_at`; one under way is given up.

    Raises:
        PermanentError: the connection was deleted.
    """
    take_feed(tx, target)
    tx.connection.execute(statement("end_replacement"), target.params)
    row = tx.connection.execute(statement("begin_replacement"), target.params | {"began_at": began_at}).fetchone()
    return Replacement(*row)


def open_replacement(executor: Executor, target: Target) -> Replacement | None:
    """The reading under way, to go on with."""
    row = executor.execute(statement("find_replacement"), target.params).fetchone()
    return None if row is None else Replacement(*row)


def abandon_replacement(tx: Commit, target: Target) -> None:
    """Give up the reading under way, if there is one; what it merged stays, and nothing is deleted."""
    take_feed(tx, target)
    tx.connection.execute(statement("end_replacement"), target.params)


def finish_replacement(tx: Commit, target: Target, generation: int, *, limit: int = 10_000) -> int:
    """Delete records that the reading has not seen; call it, a commit each time, until it returns 0.

    Only once everything was read and counted. A record that anything has told of since the reading began stays.

    Returns:
        How many were deleted, at most `limit`; 0 also when the reading is over already.

    Raises:
        ReplacementOver: another reading was begun meanwhile; nothing was deleted.
        PermanentError: the connection was deleted.
    """
    take_feed(tx, target)
    found = open_replacement(tx, target)
    if found is None:
        return 0
    if found.generation != generation:
        raise ReplacementOver(f"the reading {generation} of {target.kind} was begun again as {found.generation}")
    params = target.params | {"generation": generation, "began_at": found.began_at, "limit": limit}
    # Never prepared, as its plan depends on how full the tables are.
    row = tx.connection.execute(statement("delete_unsighted"), params, prepare=False).fetchone()
    if row[0] < limit:
        tx.connection.execute(statement("end_replacement"), target.params)
    return int(row[0])
