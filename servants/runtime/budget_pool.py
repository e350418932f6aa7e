"""What this process may spend of one connection's budget, in memory. No locks here: `BudgetLeases` holds its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime

from infra.postgres.budgets import LeaseReply
from retinue.budget import Ask
from retinue.limits import Observation

#: A pool that nobody draws from for so long gives back what it has, in seconds.
IDLE_SECONDS = 2.0

#: How long what was spent may go unreported, in seconds.
REPORT_SECONDS = 1.0

#: Between two requests for a place that nobody has left, in seconds.
ASK_AGAIN_SECONDS = 0.2

#: How long a refusal is believed before the database is asked again: a person may have set another limit. In seconds.
BELIEVED_SECONDS = 5.0

#: Calls are lent for so long ahead, as fast as they went so far, in seconds.
AHEAD_SECONDS = 1.0

#: The part of a lease that is used; the rest is for slow answers.
LEASE_SHARE = 0.8


@dataclass(slots=True)
class Refusal:
    """Nothing is left before `reset_at`; that is believed until `until` (monotonic seconds)."""

    until: float
    reset_at: datetime
    reason: str
    reserve_left: bool = False
    #: The smallest call that was refused; what a smaller one would get was not asked.
    cost: int = 0


@dataclass(slots=True)
class Waiting:
    """A call that waits for its part."""

    cost: int
    urgent: bool


@dataclass(slots=True)
class Pool:
    """Tokens and places of one connection. Times are monotonic seconds."""

    connection_id: int
    has_rates: bool
    has_places: bool
    tokens: int = 0
    urgent_tokens: int = 0
    used_total: int = 0
    reported: int = 0
    places: int = 0
    busy: int = 0
    contended: bool = False
    ends_at: float = -math.inf
    lease_seconds: float = 0.0
    #: What it held after the last lease: at half of it more is asked for.
    full: int = 0
    drawn_at: float = -math.inf
    told_at: float = -math.inf
    used_then: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    #: By whether urgent calls are refused, too.
    refusals: dict[bool, Refusal] = field(default_factory=dict)
    blocked: Refusal | None = None
    observations: list[Observation] = field(default_factory=list)

    def refusal(self, call: Waiting, now: float) -> Refusal | None:
        """Why this call has to stay away, if it has to."""
        found = (self.blocked, self.refusals.get(call.urgent), self.refusals.get(True))
        return next((r for r in found if r is not None and now < r.until and call.cost >= r.cost), None)

    def take(self, cost: int, *, urgent: bool, now: float) -> bool:
        """Take what a call needs; False, and nothing is taken, where it is not there."""
        if self.blocked is not None and now < self.blocked.until:
            return False
        if (self.has_rates or self.has_places) and now >= self.ends_at:
            return False
        if self.has_places and self.busy >= self.places:
            return False
        if self.has_rates and not self._spend(cost, urgent=urgent):
            return False
        self.busy += 1
        self.drawn_at = now
        return True

    def _spend(self, cost: int, *, urgent: bool) -> bool:
        spare = self.urgent_tokens if urgent else 0
        if self.tokens + spare < cost:
            return False
        normal = min(self.tokens, cost)
        self.tokens -= normal
        self.urgent_tokens -= cost - normal
        self.used_total += cost
        return True

    def give_back_place(self) -> None:
        """A call has ended."""
        self.busy -= 1

    def is_low(self) -> bool:
        """Whether more should be asked for before a call has to wait."""
        return self.has_rates and self.tokens <= self.full // 2 and not self.refusals

    def is_idle(self, now: float) -> bool:
        return self.busy == 0 and not self.waiting and now - self.drawn_at >= IDLE_SECONDS

    def holds_anything(self) -> bool:
        return bool(self.tokens or self.urgent_tokens or self.places or self.used_total > self.reported)

    def is_active(self) -> bool:
        """Whether it has to be looked at again."""
        return bool(self.busy or self.waiting or self.observations) or self.holds_anything()

    def needs_exchange(self, now: float) -> bool:
        """Whether there is something to ask, to report or to give back."""
        if self.observations or self._has_unheard(now):
            return True
        if not self.holds_anything():
            return False
        if self.is_idle(now) or self.ends_at - now < self.lease_seconds * LEASE_SHARE / 2:
            return True
        is_due = now - self.told_at >= REPORT_SECONDS
        return self.is_low() or (is_due and (self.used_total > self.reported or self.contended))

    def _has_unheard(self, now: float) -> bool:
        """Whether a call waits that has not been refused; for a place it is asked again only after a moment."""
        if self.has_places and self.busy >= self.places and now - self.told_at < ASK_AGAIN_SECONDS:
            return False
        return any(self.refusal(call, now) is None for call in self.waiting)

    def unheard(self, now: float) -> list[int]:
        """What the calls cost that wait and were not refused."""
        return [call.cost for call in self.waiting if self.refusal(call, now) is None]

    def void_if_over(self, now: float) -> None:
        """What was lent counts as spent by others once its time is over."""
        if now >= self.ends_at:
            self.tokens = self.urgent_tokens = 0

    def wanted(self, now: float) -> int:
        """How many calls to ask for ahead of need; none for a pool that nobody draws from."""
        if not self.has_rates or self.is_idle(now):
            return 0
        rate = (self.used_total - self.used_then) / max(now - self.told_at, 0.05)
        return max(1, math.ceil(min(rate, 1e6) * AHEAD_SECONDS))

    def accept(self, reply: LeaseReply, ask: Ask, *, sent_at: float, lease_seconds: float) -> None:
        """Take over what was lent."""
        if ask.urgent:
            self.urgent_tokens += reply.calls
        else:
            self.tokens += reply.calls
            self.full = self.tokens
        self.places, self.contended = reply.places, reply.contended
        self.ends_at, self.lease_seconds = sent_at + lease_seconds * LEASE_SHARE, lease_seconds
        self._refuse(reply, ask, sent_at)

    def _refuse(self, reply: LeaseReply, ask: Ask, sent_at: float) -> None:
        if reply.blocked_until is not None:
            until = sent_at + (reply.blocked_until - reply.now).total_seconds()
            self.blocked = Refusal(until, reply.blocked_until, reply.blocked_reason or "the provider wants no calls")
        elif reply.reset_at is not None:
            until = sent_at + (reply.reset_at - reply.now).total_seconds()
            until = min(until, sent_at + BELIEVED_SECONDS)
            spent = Refusal(until, reply.reset_at, "its budget is spent", reply.reserve_left, ask.needed)
            self.refusals[ask.urgent] = spent
        elif reply.calls:
            self.refusals.clear()
