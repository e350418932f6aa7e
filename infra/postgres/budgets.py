"""Budgets in PostgreSQL: leases of calls to servants, what providers' answers teach, limits that people set.

A connection's row in `budget_states` is the lock: what is read after it is what the last lease has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from infra.postgres.arrays import numbers
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from retinue.budget import BUCKETS, CONCURRENT, Ask, Budget, Freed, Grant, Window, decide
from retinue.limits import Observation

#: For so long after somebody got no place, places are shared out evenly, in seconds.
CONTENTION_SECONDS = 5.0


class LeaseRequest(NamedTuple):
    """What one servant reports and wants.

    `used_total` is all it ever spent, `keep` what it still holds, `busy` the places that calls take right now.
    """

    connection_id: int
    servant_id: int
    used_total: int
    keep: int
    ask: Ask
    busy: int
    places_wanted: int
    lease_seconds: float


class LeaseReply(NamedTuple):
    """What it may spend from now on: `calls` more, and `places` in all. `now` is the database's time.

    `reset_at` is set where a call that waits got nothing; `reserve_left` says that an urgent one would get something.
    `contended` says that others wait for places.
    """

    now: datetime
    calls: int
    reset_at: datetime | None
    reserve_left: bool
    places: int
    contended: bool
    blocked_until: datetime | None
    blocked_reason: str | None


class _State(NamedTuple):
    blocked_until: datetime | None
    blocked_reason: str | None
    contended_at: datetime | None


class _Others(NamedTuple):
    now: datetime
    calls: int
    places: int
    holders: int


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One window for people. What weighs on it: `spent`, `foreign_calls` by others than Retinue, `lent` to servants."""

    window_seconds: int
    call_limit: int
    learned_limit: int | None
    reserve: float
    source: str
    spent: int
    foreign_calls: int
    lent: int
    learned_at: datetime | None
    blocked_until: datetime | None
    blocked_reason: str | None


def declare_budgets(connection: psycopg.Connection, connection_id: int, budget: Budget, *, source: str) -> None:
    """Write the limits: `declared` ones by code, which a person's are not overwritten by, or `set` ones."""
    windows = budget.windows()
    params = {
        "connection_id": connection_id,
        "windows": numbers(windows),
        "limits": numbers(windows.values()),
        "reserve": budget.reserve,
        "source": source,
    }
    connection.execute(statement("declare_budgets"), params)


def show_budgets(connection: psycopg.Connection, connection_id: int) -> list[BudgetLine]:
    """Every window of one connection, the longest first."""
    return rows_as(connection, BudgetLine, "show_budgets", {"connection_id": connection_id, "buckets": BUCKETS})


def clear_budgets(connection: psycopg.Connection, connection_id: int) -> None:
    """Forget what people set and what was learned; what code declares comes back with the next job."""
    connection.execute(statement("clear_budgets"), {"connection_id": connection_id})


def learn(connection: psycopg.Connection, connection_id: int, seen: Iterable[Observation], *, reason: str) -> None:
    """Take over what a provider's answers said."""
    for observation in seen:
        if observation.blocked and observation.reset_at is not None:
            blocked = {"connection_id": connection_id, "until": observation.reset_at, "reason": reason}
            connection.execute(statement("block_budget"), blocked)
        else:
            params = observation._asdict() | {"connection_id": connection_id}
            connection.execute(statement("learn_budget"), params)


def renew_lease(connection: psycopg.Connection, request: LeaseRequest) -> LeaseReply | None:
    """Report what was spent and lend more, in the caller's transaction; None where the connection has no budget.

    A servant whose reply is lost sends the same again: what it was lent and never heard of comes back with that.
    """
    found = connection.execute(statement("lock_budget"), _of(request)).fetchone()
    if found is None:
        return None
    state = _State(*found)
    connection.execute(statement("report_budget_use"), _of(request) | {"buckets": BUCKETS})
    windows = _windows(connection, request)
    others = _Others(*(connection.execute(statement("read_budget_leases"), _of(request)).fetchone() or ()))
    blocked = state.blocked_until is not None and state.blocked_until > others.now
    grant = Grant(0, state.blocked_until) if blocked else _grant(windows, request.ask, request.keep, others)
    reserve_left = not blocked and _reserve_left(windows, request, grant, others)
    contended = _is_contended(state, others.now)
    places = _places(windows, request, others, contended=contended)
    lacks = _lacks_places(windows, request, others, places)
    if lacks:
        connection.execute(statement("note_budget_contention"), _of(request))
    lent = _of(request) | {
        "calls": request.keep + grant.calls,
        "places": places,
        "lease_seconds": request.lease_seconds,
    }
    connection.execute(statement("save_budget_lease"), lent)
    until, why = (state.blocked_until, state.blocked_reason) if blocked else (None, None)
    return LeaseReply(others.now, *grant, reserve_left, places, contended, until, why)


def _is_contended(state: _State, now: datetime) -> bool:
    return state.contended_at is not None and (now - state.contended_at).total_seconds() < CONTENTION_SECONDS


def _of(request: LeaseRequest) -> dict[str, Any]:
    return {
        "connection_id": request.connection_id,
        "servant_id": request.servant_id,
        "used_total": request.used_total,
    }


def _windows(connection: psycopg.Connection, request: LeaseRequest) -> Mapping[int, Window]:
    rows = connection.execute(
        statement("read_budget_windows"), {"connection_id": request.connection_id, "buckets": BUCKETS}
    )
    return {
        seconds: Window(seconds, limit, reserve, [Freed(at, calls) for at, calls in zip(frees_at, frees, strict=True)])
        for seconds, limit, reserve, frees_at, frees in rows
    }


def _grant(windows: Mapping[int, Window], ask: Ask, keep: int, others: _Others) -> Grant:
    rates = [window for seconds, window in windows.items() if seconds != CONCURRENT]
    if not rates:
        return Grant(0)
    return decide(rates, ask, others=others.calls, holders=others.holders + 1, keep=keep, now=others.now)


def _reserve_left(windows: Mapping[int, Window], request: LeaseRequest, grant: Grant, others: _Others) -> bool:
    """Whether a call that was refused would have been granted if it were urgent."""
    if grant.reset_at is None or request.ask.urgent:
        return False
    return _grant(windows, request.ask._replace(urgent=True), request.keep, others).calls > 0


def _places(windows: Mapping[int, Window], request: LeaseRequest, others: _Others, *, contended: bool) -> int:
    window = windows.get(CONCURRENT)
    if window is None:
        return 0
    wanted = min(request.busy + request.places_wanted, window.limit - others.places)
    if contended:
        wanted = min(wanted, _fair_places(window, others))
    return max(request.busy, wanted, 0)


def _fair_places(window: Window, others: _Others) -> int:
    return max(1, window.limit // (others.holders + 1))


def _lacks_places(windows: Mapping[int, Window], request: LeaseRequest, others: _Others, places: int) -> bool:
    """Whether it wants more than it got, and has less than its share."""
    window = windows.get(CONCURRENT)
    wanted = request.busy + request.places_wanted
    return window is not None and places < min(wanted, _fair_places(window, others))
