"""The jobs that a bulk operation takes, page by page, in an order that nothing it does can change.

Unfinished jobs come in the order of their IDs, finished ones in that of their ends. Each page looks at a bounded number
of rows: where few jobs fit, it may be empty, and the next one goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from infra.postgres.enqueue import RUN_AT_RANGE
from infra.postgres.statements import statement
from retinue.bulk import Bulk, Operation

#: Rows that one page looks at. A type or a lane with no more jobs than this is read by its own index.
WINDOW = 10_000

#: Sorts behind every lane, whose characters are printable.
_AFTER_ALL_LANES = "\U0010ffff"


class Place(NamedTuple):
    """A job in the order of the pages; the first page is after `START`. `at` is when it ended, if it did."""

    id: int
    at: datetime | None


START = Place(0, None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that the filter takes. `at` is when it was made, or ended.

    Of a finished one also whether it was run again already, and whether an unfinished job has the key that its retry
    would have.
    """

    id: int
    type: str
    account_id: int | None
    lane: str
    priority: int
    state: str
    reason: str
    at: datetime
    stop_asked: bool
    unique_key: str | None = None
    payload: Any = None
    retried: bool = False
    key_taken: bool = False


class Page(NamedTuple):
    """Jobs, the place after which the next page begins, and whether there is one."""

    jobs: list[Candidate]
    reached: Place
    is_last: bool


def pages(connection: psycopg.Connection, order: Bulk, *, limit: int, window: int = WINDOW) -> Iterator[Page]:
    """All pages, with at most `limit` jobs each."""
    page = Page([], START, False)
    while not page.is_last:
        page = next_page(connection, order, page.reached, limit=limit, window=window)
        yield page


def next_page(connection: psycopg.Connection, order: Bulk, after: Place, *, limit: int, window: int = WINDOW) -> Page:
    """The page after this place; in the transaction that acts on it."""
    params = _params(order, after) | {"limit": limit, "window": window}
    # For the rest of the transaction: a plan that gathers first and sorts then would read a whole backlog.
    connection.execute(statement("read_along_indexes"))
    if order.operation is Operation.RETRY:
        return _page(connection, "find_bulk_finished", params)
    if order.filter.type is not None:
        page = _page_of_type(connection, params)
        if page is not None:
            return page
    return _page(connection, "find_bulk_unfinished", params)


def _page_of_type(connection: psycopg.Connection, params: dict[str, Any]) -> Page | None:
    """Out of all jobs of the type or the lane; None where they are too many to be read for one page."""
    lane, window = params["lane"], params["window"]
    lanes = {"first_lane": lane or "", "last_lane": lane or _AFTER_ALL_LANES}
    rows = connection.execute(statement("find_bulk_unfinished_of_type"), params | lanes).fetchall()
    if rows[0][2] >= window:
        return None
    jobs = _candidates(rows)
    return _cut(jobs) if len(jobs) == params["limit"] else Page(jobs, Place(params["up_to_id"], None), True)


def _page(connection: psycopg.Connection, name: str, params: dict[str, Any]) -> Page:
    rows = connection.execute(statement(name), params).fetchall()
    reached, reached_at, looked = rows[0][:3]
    jobs = _candidates(rows)
    if len(jobs) == params["limit"]:
        return _cut(jobs, with_time=reached_at is not None)
    if not looked:
        return Page([], Place(params["after_id"], params["after_at"]), True)
    return Page(jobs, Place(reached, reached_at), looked < params["window"])


def _cut(jobs: list[Candidate], *, with_time: bool = False) -> Page:
    return Page(jobs, Place(jobs[-1].id, jobs[-1].at if with_time else None), False)


def _candidates(rows: list[tuple[Any, ...]]) -> list[Candidate]:
    return [Candidate(*row[3:]) for row in rows if row[3] is not None]


def _params(order: Bulk, after: Place) -> dict[str, Any]:
    wanted = order.filter
    first, last = RUN_AT_RANGE
    since = wanted.since or first
    return {
        "after_id": after.id,
        "after_at": after.at or since,
        "up_to_id": order.up_to_id,
        "up_to": order.up_to,
        "states": sorted(state.value for state in order.states),
        "type": wanted.type,
        "account_id": wanted.account_id,
        "lane": wanted.lane,
        "reason": None if wanted.reason is None else wanted.reason.value,
        "error_kind": wanted.error_kind,
        "error_text": wanted.error_text,
        "fingerprint": wanted.fingerprint,
        "since": since,
        "until": wanted.until or last,
    }
