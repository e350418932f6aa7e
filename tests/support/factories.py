"""Rows for tests: types, servants, jobs at any point of their life, schedules; by the engine's own statements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.arrays import moments, numbers, texts
from infra.postgres.settle import Settled, settle_jobs
from infra.postgres.statements import statement
from infra.queues.memory import MemoryQueues
from retinue.outcomes import Completed, Outcome
from retinue.retry import Exponential, RetryPolicy
from retinue.settlement import Settlement, settle

ECHO = "system.echo"

#: Waits as long as it may: tests see the cap of each wait.
LONGEST_WAIT = Exponential(base=10, cap=100, attempts=3, draw=lambda _low, high: high)


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed job."""

    id: int
    attempt: int
    servant_id: int

    def settlement(self, outcome: Outcome, *, retry: RetryPolicy = LONGEST_WAIT, failures: int = 0) -> Settlement:
        """What this attempt's outcome writes."""
        return settle(self.id, self.attempt, outcome, retry=retry, failures=failures)


def add_type(
    sql: psycopg.Connection, job_type: str = ECHO, *, slots: int = 8, lane_limit: int | None = None, **rules: Any
) -> None:
    """Announce a type as its servants do; `rules` are its `type_limit` and `order_policy`."""
    params = {"type": job_type, "slots": slots, "timeout_seconds": 60, "lane_limit": lane_limit}
    sql.execute(statement("register_type"), {"type_limit": None, "order_policy": None} | params | rules)


def add_servant(
    sql: psycopg.Connection,
    job_type: str = ECHO,
    *,
    slots: int = 8,
    lane_limit: int | None = None,
    rate: float | None = None,
    **rules: Any,
) -> int:
    """A live servant, its type announced; returns its ID."""
    add_type(sql, job_type, slots=slots, lane_limit=lane_limit, **rules)
    here = {"type": job_type, "host": "here", "pid": 1, "process": None, "version": "1", "slots": slots}
    row = sql.execute(statement("register_servant"), here).fetchone()
    assert row is not None
    sql.execute("UPDATE servants SET rate = %s WHERE id = %s", (rate, row[0]))
    return int(row[0])


def add_jobs(
    sql: psycopg.Connection,
    count: int = 1,
    *,
    job_type: str = ECHO,
    lane: str = "account:1",
    account_id: int | None = None,
    priority: int = 5,
    run_at: datetime | None = None,
    ordered: bool = False,
    group_id: int | None = None,
) -> list[int]:
    """Pending jobs of any type, whether or not one is registered under that name; due now unless `run_at` is given."""
    params = {
        "type": texts([job_type] * count),
        "account_id": numbers([account_id] * count),
        "lane": texts([lane] * count),
        "priority": numbers([priority] * count),
        "run_at": moments([run_at] * count),
        "payload": texts(["{}"] * count),
        "request_id": texts([None] * count),
        "retry_of": numbers([None] * count),
        "ordered": numbers([ordered] * count),
        "group_id": numbers([group_id] * count),
    }
    return [row[0] for row in sql.execute(statement("enqueue_jobs"), params)]


def queue_jobs(sql: psycopg.Connection, ids: Sequence[int]) -> None:
    """Have these dispatched, past every limit."""
    sql.execute(
        "WITH waiting AS (SELECT id FROM jobs WHERE id = ANY(%s) AND state = 'pending'), taken AS ("
        " UPDATE jobs SET state = 'queued', reason = 'dispatch', queued_at = now() FROM waiting"
        " WHERE jobs.id = waiting.id RETURNING type, lane)"
        " INSERT INTO lane_wakes (type, lane, pending) SELECT type, lane, -count(*) FROM taken GROUP BY type, lane",
        (list(ids),),
    )


def claim_jobs(
    sql: psycopg.Connection,
    ids: Iterable[int],
    *,
    servant_id: int,
    job_type: str = ECHO,
    lease_seconds: float = 30,
    begin: bool = True,
) -> list[Held]:
    """Claim what is still queued of these, and begin it unless told otherwise."""
    params = {"ids": list(ids), "type": job_type, "servant_id": servant_id, "lease_seconds": lease_seconds}
    rows = sql.execute(statement("claim_jobs"), params).fetchall()
    held = [Held(row[0], row[2], servant_id) for row in rows]
    for job in held if begin else []:
        sql.execute(statement("begin_trial"), {"id": job.id, "attempt": job.attempt})
    return held


def run_jobs(
    sql: psycopg.Connection, count: int = 1, *, job_type: str = ECHO, lane: str = "account:1", servant_id: int = 1
) -> list[Held]:
    """Jobs that a servant holds, in the order of their IDs."""
    ids = add_jobs(sql, count, job_type=job_type, lane=lane)
    queue_jobs(sql, ids)
    held = claim_jobs(sql, ids, servant_id=servant_id, job_type=job_type)
    assert [job.id for job in held] == ids
    return held


def settle_one(
    sql: psycopg.Connection, held: Held, outcome: Outcome | None = None, *, retry: RetryPolicy = LONGEST_WAIT
) -> Settled:
    """Settle as the servant would; completed unless another outcome is given."""
    row = sql.execute("SELECT failures FROM jobs WHERE id = %s", (held.id,)).fetchone()
    settlement = held.settlement(outcome or Completed(), retry=retry, failures=row[0] if row else 0)
    with sql.transaction():
        return settle_jobs(sql, [(settlement, 0.25)], shard=held.servant_id % 16)


def expire_leases(sql: psycopg.Connection, ids: Iterable[int]) -> None:
    """Let it be a second after the lease of these ran out."""
    sql.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = ANY(%s)", (list(ids),))


def heartbeat_params(held: Sequence[Held], **changes: Any) -> dict[str, Any]:
    """What a servant's heartbeat says about these jobs."""
    return {
        "servant_id": held[0].servant_id if held else 1,
        "lease_seconds": 30,
        "state": "active",
        "busy": len(held),
        "rate": None,
        "memory_bytes": 1,
        "current_jobs": "[]",
        "since_receive_seconds": 0,
        "ids": [job.id for job in held],
        "attempts": [job.attempt for job in held],
        "dones": [None for _ in held],
        "totals": [None for _ in held],
        "lanes": [],
        "charges": [],
        "run_seconds": [],
        "job_counts": [],
    } | changes


def add_account(sql: psycopg.Connection, name: str = "acme") -> int:
    """An account; returns its ID."""
    row = sql.execute("INSERT INTO accounts (name) VALUES (%s) RETURNING id", (name,)).fetchone()
    assert row is not None
    return int(row[0])


def add_schedule(sql: psycopg.Connection, name: str = "every minute", **columns: Any) -> int:
    """A schedule of every minute that began an hour ago and is due now, but for the columns given; returns its ID."""
    given: Mapping[str, Any] = {"type": ECHO, "lane": "system", "every_seconds": None, "cron": None} | columns
    if given["every_seconds"] is None and given["cron"] is None:
        given = {**given, "every_seconds": 60}
    if isinstance(given.get("payload"), dict):
        given = {**given, "payload": json.dumps(given["payload"])}
    names = ["name", *given]
    row = sql.execute(
        f"INSERT INTO schedules ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) RETURNING id".encode(),  # noqa: S608 - the test's own column names
        [name, *given.values()],
    ).fetchone()
    assert row is not None
    if "starts_at" not in given:
        sql.execute("UPDATE schedules SET starts_at = now() - interval '1 hour 30 seconds' WHERE id = %s", row)
    if "next_fire_at" not in given:
        sql.execute("UPDATE schedules SET next_fire_at = now() - interval '30 seconds' WHERE id = %s", row)
    return int(row[0])


def received_ids(queues: MemoryQueues, job_type: str = ECHO) -> list[int]:
    """Every ID that lies on the type's queue, in the order it was sent; the messages are deleted."""
    ids: list[int] = []
    while messages := queues.receive(job_type, max_messages=10, wait_seconds=0):
        ids += [identity for message in messages for identity in message.ids]
        queues.delete(job_type, messages)
    return ids
