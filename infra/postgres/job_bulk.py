"""From a query for jobs to a bulk operation on all that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from infra.job_query import JobQuery
from infra.postgres.enqueue import RUN_AT_RANGE
from infra.postgres.job_criteria import Criteria
from retinue.bulk import TAKEN_STATES, BulkOrder, Operation, bulk_order
from retinue.errors import NotAllowed

#: Fields that a bulk operation goes by.
_TAKEN = frozenset(
    {"", "state", "type", "account", "error", "after", "before", "reason", "fingerprint", "lane", "connection"}
)


def order_of(
    criteria: Criteria, operation: Operation, *, run_at: datetime | None = None, rate: float | None = None
) -> BulkOrder:
    """The order that does `operation` to all that the criteria take; completed jobs are never touched.

    Raises:
        NotAllowed: the query asks for what bulk operations do not go by, or for jobs that the operation does not take.
        InvalidPayload: the order's parts do not fit together.
    """
    for fault in _faults(criteria, operation):
        raise NotAllowed(fault)
    own = {} if rate is None else {"rate": rate}
    return bulk_order(operation=operation, filter=_filter(criteria, operation), run_at=run_at, **own)


def _faults(criteria: Criteria, operation: Operation) -> Iterator[str]:
    query = criteria.query
    for term in query.terms:
        if term.field not in _TAKEN or query.ids:
            yield f"A bulk operation cannot go by {term.field or 'number'}: take it out, or choose jobs on the page."
        elif term.negated and term.field != "state":
            yield f"A bulk operation cannot leave out by {term.field}: say what it is to take."
    for name, values in _single(criteria):
        if values is not None and len(values) != 1:
            yield f"A bulk operation takes one {name} at a time, and this query asks for {len(values)}."
    if not criteria.states & TAKEN_STATES[operation]:
        taken = ", ".join(sorted(TAKEN_STATES[operation]))
        yield f"{operation} takes jobs that are {taken}; this query asks for none of them."


def _single(criteria: Criteria) -> Iterator[tuple[str, tuple[Any, ...] | None]]:
    query = criteria.query
    yield "type", criteria.types
    yield "account", criteria.account_ids
    for name in ("lane", "reason", "kind", "text", "fingerprint"):
        yield name, getattr(query, f"{name}s") or None


def _filter(criteria: Criteria, operation: Operation) -> dict[str, Any]:
    query = criteria.query
    first, last = RUN_AT_RANGE
    wanted = {
        "type": _only(criteria.types),
        "account_id": _only(criteria.account_ids),
        "lane": _only(query.lanes),
        "reason": _only(query.reasons),
        "error_kind": _only(query.kinds),
        "error_text": _only(query.texts),
        "fingerprint": _only(query.fingerprints),
        "since": None if criteria.since == first else criteria.since,
        "until": None if criteria.until == last else criteria.until,
    }
    bounds = {name: value for name, value in wanted.items() if value is not None}
    return bounds | {"states": _states(query, operation), "everything": not bounds}


def _states(query: JobQuery, operation: Operation) -> tuple[str, ...]:
    """Those that are named, as far as the operation takes them; none stands for its usual ones."""
    if not query.named_states and not query.not_states:
        return ()
    return tuple(sorted(query.states & TAKEN_STATES[operation]))


def _only(values: tuple[Any, ...] | None) -> Any:
    return values[0] if values else None
