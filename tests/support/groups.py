"""Groups in tests: made, their jobs ended, the pass run, and how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from infra.postgres.connect import Database
from infra.postgres.enqueue import NewJob
from infra.postgres.groups import (
    StoredGroup,
    enqueue_group,
    show_group,
)
from retinue.outcomes import Outcome
from scheduler.groups import Groups
from tests.support.factories import ECHO, Held, claim_jobs, queue_jobs, settle_one

FOLLOW_UP = NewJob(type=ECHO, payload={"message": "all done"}, account_id=7)


def echoes(count: int) -> list[NewJob]:
    return [NewJob(type=ECHO, payload={"message": str(n)}) for n in range(count)]


def make(sql: psycopg.Connection, count: int = 3, **rules: Any) -> StoredGroup:
    """A group with so many jobs and a follow-up, all in one transaction."""
    with sql.transaction():
        given: dict[str, Any] = {"name": "onboard", "follow_up": FOLLOW_UP} | rules
        return enqueue_group(sql, echoes(count), **given)


def jobs_of(sql: psycopg.Connection, group_id: int) -> list[int]:
    return [row[0] for row in sql.execute("SELECT id FROM jobs WHERE group_id = %s ORDER BY id", (group_id,))]


def claim(sql: psycopg.Connection, ids: Sequence[int]) -> list[Held]:
    queue_jobs(sql, ids)
    return claim_jobs(sql, ids, servant_id=1)


def end(sql: psycopg.Connection, group_id: int, *outcomes: Outcome) -> None:
    """Its first jobs end so."""
    for held, outcome in zip(claim(sql, jobs_of(sql, group_id)[: len(outcomes)]), outcomes, strict=True):
        settle_one(sql, held, outcome)


def settle_groups(database: Database) -> None:
    """The pass, until it has nothing to do."""
    groups = Groups(database)
    while groups.run_once().done:
        pass


def follow_ups(sql: psycopg.Connection) -> int:
    return int(sql.execute("SELECT count(*) FROM jobs WHERE payload->>'message' = 'all done'").fetchall()[0][0])


def figures(sql: psycopg.Connection, group_id: int) -> tuple[str, int, int, int, int]:
    found = show_group(sql, group_id)
    return found.state, found.total, found.completed, found.failed, found.cancelled
