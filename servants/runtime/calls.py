"""A job's calls over one connection: each takes its part of the budget, and tells the gate how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from infra.postgres.breakers import connection_scope
from infra.postgres.connect import DatabaseUnreachable
from retinue.connection import Call
from retinue.errors import (
    BudgetExhausted,
    CredentialError,
    LaneBlocked,
    PermanentError,
    RateLimited,
    TransientError,
)
from retinue.holds import Hold, HoldKind
from retinue.limits import Observation, observe, salesforce_refusal
from servants.runtime.budget_leases import BudgetLeases
from servants.runtime.gate import Gate, Passage

#: A job of this priority or a smaller number is urgent.
URGENT_PRIORITY = 2


class CountedCall:
    """One call; see `retinue.connection.Call`."""

    def __init__(self, leases: BudgetLeases, connection_id: int) -> None:
        self._leases = leases
        self._connection_id = connection_id

    def learn(self, headers: Mapping[str, str] | None = None, *, status: int | None = None, body: str = "") -> None:
        now = datetime.now(UTC)
        seen = observe(headers or {}, status, now=now)
        refusal = salesforce_refusal(body, now=now) if body else None
        self._leases.learn(self._connection_id, [*seen, refusal] if refusal else seen)


class CountedCalls:
    """`Calls` of one job over one connection."""

    def __init__(self, gate: Gate, leases: BudgetLeases, passage: Passage, *, priority: int) -> None:
        self._gate = gate
        self._leases = leases
        self._passage = passage
        self._is_urgent = priority <= URGENT_PRIORITY

    @contextmanager
    def begin(self, cost: int, *, urgent: bool | None) -> Iterator[Call]:
        if cost < 0:
            raise ValueError(f"a call costs at least 0, got {cost}")
        connection_id = self._passage.connection_id
        self._gate.check(connection_id)
        self._leases.draw(connection_id, cost, urgent=self._is_urgent if urgent is None else urgent)
        try:
            yield CountedCall(self._leases, connection_id)
        except BaseException as error:
            self._ended_badly(error)
            raise
        else:
            self._gate.succeeded(self._passage)
        finally:
            self._leases.give_back(connection_id)

    def _ended_badly(self, error: BaseException) -> None:
        """Tell what this error says of the provider; what says nothing of it, such as a bug, is left out."""
        if isinstance(error, LaneBlocked | BudgetExhausted | DatabaseUnreachable):
            return
        if isinstance(error, CredentialError):
            self._gate.refused(self._passage)
        elif isinstance(error, RateLimited):
            raise self._blocked(error) from error
        elif isinstance(error, PermanentError) or (isinstance(error, TransientError) and not error.provider_failed):
            self._gate.succeeded(self._passage)
        elif isinstance(error, TransientError | OSError):
            self._gate.failed(self._passage, error)

    def _blocked(self, error: RateLimited) -> BudgetExhausted:
        """The provider's limit concerns everybody who uses this connection."""
        connection_id = self._passage.connection_id
        self._leases.learn(connection_id, [Observation(remaining=0, reset_at=error.reset_at, blocked=True)])
        hold = Hold(HoldKind.BUDGET, connection_scope(connection_id), error.reset_at, error.message)
        return BudgetExhausted(error.message, reset_at=error.reset_at, hold=hold)
