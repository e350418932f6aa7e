"""Bulk operations over a filter: a preview, then a job of the type `system.bulk` that carries the operation out."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from infra.postgres.bulk_acts import Sorter
from infra.postgres.bulk_pages import Candidate, pages
from infra.postgres.enqueue import NewJob, enqueue_many
from infra.postgres.statements import statement
from retinue.bulk import BULK_TYPE, Bulk, BulkOrder, Operation

#: A preview counts so far, and looks for so many seconds.
MAX_COUNTED = 100_000
SEARCH_SECONDS = 10.0

#: Jobs and accounts that it names.
SAMPLE_JOBS = 10
NAMED_ACCOUNTS = 10

#: Jobs of one page, and rows that it looks at: a fraction of the time that the shortest preview has.
_PAGE, _WINDOW = 200, 1_000


@dataclass(frozen=True, slots=True)
class SampleJob:
    """One of the jobs that would be touched. `at` is when it was made, or finished where it is."""

    id: int
    type: str
    account_id: int | None
    lane: str
    state: str
    reason: str
    at: datetime


@dataclass(slots=True)
class Preview:
    """What an operation would do.

    `jobs` is how many it would touch, `left_alone` how many the filter takes and the operation does not, by reason.
    `stopped_by` is None where everything was counted, else `count` or `time`: then there are more than the figures say.
    `accounts` is how many accounts the jobs belong to, `account_names` the first few of them.
    """

    operation: Operation
    jobs: int = 0
    left_alone: Counter[str] = field(default_factory=Counter)
    stopped_by: str | None = None
    sample: list[SampleJob] = field(default_factory=list)
    accounts: int = 0
    account_names: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def expected(self) -> int | None:
        """How many jobs the operation will look at, if that is known."""
        return None if self.stopped_by else self.jobs + self.left_alone.total()


def preview(
    connection: psycopg.Connection,
    order: BulkOrder,
    *,
    most: int = MAX_COUNTED,
    search_seconds: float = SEARCH_SECONDS,
) -> Preview:
    """Count what the operation would touch, and change nothing. `seconds` is how long it would take at least."""
    sorter = Sorter(order.operation)
    found, accounts = Preview(order.operation), set[int]()
    deadline = time.monotonic() + search_seconds
    for page in pages(connection, bounded(connection, order), limit=_PAGE, window=_WINDOW):
        sorted_page = sorter.sort(page.jobs)
        _add(found, [job for job, _ in sorted_page.able], accounts)
        found.left_alone += sorted_page.left_alone
        if found.jobs > most:
            found.jobs, found.stopped_by = most, "count"
        elif not page.is_last and time.monotonic() > deadline:
            found.stopped_by = "time"
        if found.stopped_by:
            break
    found.seconds = found.jobs / order.rate
    found.accounts, found.account_names = len(accounts), _names(connection, accounts)
    return found


def start(connection: psycopg.Connection, order: BulkOrder, *, expected: int | None = None) -> int:
    """Make the job that carries the operation out, in the caller's transaction; returns its ID.

    What is made from now on is not touched. `expected` is the preview's, for the job's progress. After the commit the
    caller rings the bell.
    """
    payload = bounded(connection, order, expected=expected)
    new = NewJob(type=BULK_TYPE, payload=payload, account_id=order.filter.account_id)
    return enqueue_many(connection, [new])[0].id


def bounded(connection: psycopg.Connection, order: BulkOrder, *, expected: int | None = None) -> Bulk:
    """The order with its boundary: what there is now, unless it has one already."""
    if isinstance(order, Bulk):
        return order.model_copy(update={"expected": expected})
    ((last_id, now),) = connection.execute(statement("read_bulk_boundary")).fetchall()
    return Bulk(**dict(order) | {"up_to_id": last_id, "up_to": now, "expected": expected})


def _add(found: Preview, jobs: list[Candidate], accounts: set[int]) -> None:
    found.jobs += len(jobs)
    accounts.update(job.account_id for job in jobs if job.account_id is not None)
    room = SAMPLE_JOBS - len(found.sample)
    found.sample += [_sample(job) for job in jobs[:room]]


def _sample(job: Candidate) -> SampleJob:
    return SampleJob(job.id, job.type, job.account_id, job.lane, job.state, job.reason, job.at)


def _names(connection: psycopg.Connection, accounts: set[int]) -> list[str]:
    first = sorted(accounts)[:NAMED_ACCOUNTS]
    return [row[0] for row in connection.execute(statement("name_accounts"), {"ids": first})]
