"""Bulk operations in tests: orders with their boundary, all pages of one, jobs that failed."""

from __future__ import annotations

from typing import Any

import psycopg

from infra.postgres import bulk
from infra.postgres.bulk_acts import Tally, act
from infra.postgres.bulk_pages import START, WINDOW, next_page
from infra.postgres.settle import settle_jobs
from retinue.bulk import Bulk, BulkOrder, bulk_order
from retinue.outcomes import Fail
from tests.support.factories import ECHO, add_jobs, claim_jobs, queue_jobs


def order(operation: str, **wanted: Any) -> BulkOrder:
    """An order; `rate` and `run_at` are its own, the rest is its filter's."""
    own = {name: wanted.pop(name) for name in ("rate", "run_at") if name in wanted}
    return bulk_order(operation=operation, filter=wanted, **own)


def bounded(sql: psycopg.Connection, operation: str, **wanted: Any) -> Bulk:
    """An order with its boundary taken now."""
    return bulk.bounded(sql, order(operation, **wanted))


def taken(sql: psycopg.Connection, given: Bulk, *, limit: int = 500, window: int = WINDOW) -> list[int]:
    """The jobs on all pages, in their order."""
    found: list[int] = []
    page = next_page(sql, given, START, limit=limit, window=window)
    found += [job.id for job in page.jobs]
    while not page.is_last:
        page = next_page(sql, given, page.reached, limit=limit, window=window)
        found += [job.id for job in page.jobs]
    return found


def carry_out(sql: psycopg.Connection, given: Bulk, *, limit: int = 500) -> Tally:
    """Do what the job does, each page in a transaction."""
    tally, place, is_last = Tally(), START, False
    while not is_last:
        with sql.transaction():
            page = next_page(sql, given, place, limit=limit)
            tally.add(act(sql, given, page.jobs, request_id="bulk:0"))
        place, is_last = page.reached, page.is_last
    return tally


def fail_jobs(sql: psycopg.Connection, count: int = 1, *, message: str = "no use", **columns: Any) -> list[int]:
    """Jobs that failed for good."""
    job_type = columns.get("job_type", ECHO)
    ids = add_jobs(sql, count, **columns)
    queue_jobs(sql, ids)
    held = claim_jobs(sql, ids, servant_id=1, job_type=job_type, begin=False)
    with sql.transaction():
        settle_jobs(sql, [(job.settlement(Fail(message, "NoUse")), 0.1) for job in held], shard=0)
    return ids
