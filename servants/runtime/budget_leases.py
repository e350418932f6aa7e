"""Lends this process its part of the connections' budgets, ahead of need, so that no call waits for the database.

Calls draw from memory. A thread of its own reports what was spent, asks for more before a pool is empty, and gives
back what lies idle. What a killed process held counts as spent once its lease is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg

from infra.logs import get_logger
from infra.loop import LoopRunner, PassResult
from infra.postgres.budgets import LeaseRequest, learn, renew_lease
from infra.postgres.connect import Database, DatabaseUnreachable
from retinue.budget import CONCURRENT, Ask
from retinue.clock import SystemClock
from retinue.errors import BudgetExhausted
from retinue.holds import Hold, HoldKind
from retinue.limits import Observation
from retinue.retry import Exponential
from servants.runtime.budget_pool import ASK_AGAIN_SECONDS, Pool, Refusal, Waiting

#: Pools are looked at at least this often, in seconds.
LOOK_SECONDS = 0.5

#: A call waits so long for its part; the first of a connection always does for a moment.
PATIENCE_SECONDS = 10.0

#: A call waits so long for one of the calls at the same time to end, in seconds.
PLACE_SECONDS = 1.0

#: While a reserve is left, lanes are held no longer than this, so that an urgent job in them gets its chance.
URGENT_LOOK_SECONDS = 15.0

log = get_logger(__name__)


class BudgetLeases:
    """The pools of one process."""

    def __init__(self, database: Database, *, servant_id: int, lease_seconds: float) -> None:
        self._database = database
        self._servant_id = servant_id
        self._lease_seconds = lease_seconds
        self._changed = threading.Condition()
        self._pools: dict[int, Pool] = {}
        #: The connections among them that have something to report, to renew or to ask for.
        self._active: set[int] = set()
        backoff = Exponential(base=LOOK_SECONDS, cap=2.0, floor=0.1)
        self._loop = LoopRunner(
            "budgets", self._look, interval_seconds=LOOK_SECONDS, clock=SystemClock(), backoff=backoff
        )

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: float) -> None:
        """Report what was spent and give back the rest."""
        self._loop.stop(timeout)
        with self._changed:
            pools = [pool for pool in self._pools.values() if pool.holds_anything() or pool.observations]
            for pool in pools:
                pool.drawn_at = -float("inf")
        try:
            for pool in pools:
                self._exchange(pool)
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("budget_not_returned", error=str(error))

    def knows(self, connection_id: int, windows: Iterable[int]) -> None:
        """This connection has these windows, and no block, as of now."""
        lengths = set(windows)
        rates, places = bool(lengths - {CONCURRENT}), CONCURRENT in lengths
        with self._changed:
            pool = self._pools.get(connection_id)
            if pool is not None:
                pool.has_rates, pool.has_places = rates, places
                # A block that is still to be written stays.
                pool.blocked = pool.blocked if pool.observations else None
            elif lengths:
                self._pools[connection_id] = Pool(connection_id, rates, places)

    def draw(self, connection_id: int, cost: int, *, urgent: bool) -> None:
        """Take what one call needs; `give_back` ends it.

        Raises:
            BudgetExhausted: nothing is left.
        """
        with self._changed:
            pool = self._pools.get(connection_id)
            if pool is None:
                return
            self._active.add(connection_id)
            if not pool.take(cost, urgent=urgent, now=time.monotonic()):
                self._wait(pool, Waiting(cost, urgent))
            is_low = pool.is_low()
        if is_low:
            self._loop.wake()

    def give_back(self, connection_id: int) -> None:
        """The call has ended."""
        with self._changed:
            pool = self._pools.get(connection_id)
            if pool is not None and pool.busy:
                pool.give_back_place()
                self._changed.notify_all()

    def learn(self, connection_id: int, seen: Sequence[Observation]) -> None:
        """Pass on what an answer said; of several answers only the newest counts."""
        blocked = next((observation for observation in seen if observation.blocked), None)
        with self._changed:
            pool = self._pools.get(connection_id)
            if not seen or (blocked is None and (pool is None or not pool.has_rates)):
                # Nothing is counted that could be compared with what is left.
                return
            pool = self._pools.setdefault(connection_id, Pool(connection_id, has_rates=False, has_places=False))
            self._active.add(connection_id)
            pool.observations = list(seen)
            if blocked is not None and blocked.reset_at is not None:
                wait = (blocked.reset_at - datetime.now(UTC)).total_seconds()
                pool.blocked = Refusal(time.monotonic() + wait, blocked.reset_at, "the provider wants no calls")
        if blocked is not None:
            self._loop.wake()

    def _wait(self, pool: Pool, call: Waiting) -> None:
        """Wait for the next lease to bring what the call needs; the lock is held."""
        began = time.monotonic()
        pool.waiting.append(call)
        try:
            while not pool.take(call.cost, urgent=call.urgent, now=time.monotonic()):
                refusal = _refusal(pool, call, time.monotonic() - began)
                if refusal is not None:
                    raise _exhausted(pool, refusal)
                self._loop.wake()
                self._changed.wait(ASK_AGAIN_SECONDS)
        finally:
            pool.waiting.remove(call)

    def _look(self) -> PassResult:
        now = time.monotonic()
        with self._changed:
            pools = [self._pools[connection_id] for connection_id in self._active]
            self._active = {pool.connection_id for pool in pools if pool.is_active()}
            due = [pool for pool in pools if pool.needs_exchange(now)]
        for pool in due:
            self._exchange(pool)
        return PassResult(len(due))

    def _exchange(self, pool: Pool) -> None:
        """Report, learn and lend in one transaction; twice where only urgent calls can still have something."""
        with self._changed:
            observations, pool.observations = pool.observations, []
            pool.void_if_over(time.monotonic())
            ask = Ask(pool.wanted(time.monotonic()), max(pool.unheard(time.monotonic()), default=0))
        self._renew(pool, ask, observations)
        with self._changed:
            urgent = [call.cost for call in pool.waiting if call.urgent]
            refused = urgent and pool.refusal(Waiting(max(urgent), urgent=False), time.monotonic()) is not None
        if refused:
            self._renew(pool, Ask(max(urgent), max(urgent), urgent=True), [])

    def _renew(self, pool: Pool, ask: Ask, observations: Sequence[Observation]) -> None:
        with self._changed:
            sent_at = time.monotonic()
            request = self._request(pool, ask, sent_at)
        try:
            with self._database.transaction() as connection:
                learn(connection, pool.connection_id, observations, reason="the provider said so")
                reply = renew_lease(connection, request)
        except BaseException:
            with self._changed:
                pool.observations = pool.observations or list(observations)
            raise
        with self._changed:
            pool.reported, pool.told_at, pool.used_then = request.used_total, sent_at, request.used_total
            if reply is None:
                pool.has_rates = pool.has_places = False
            else:
                pool.accept(reply, ask, sent_at=sent_at, lease_seconds=self._lease_seconds)
            self._changed.notify_all()
        if reply is not None and reply.reset_at is not None:
            log.info("budget_spent", connection=pool.connection_id, reset_at=reply.reset_at.isoformat())

    def _request(self, pool: Pool, ask: Ask, now: float) -> LeaseRequest:
        if pool.is_idle(now):
            pool.tokens = pool.urgent_tokens = 0
        # An idle process keeps the places it has, as a few calls may follow one another, unless others wait.
        lacking = sum(1 for _ in pool.waiting) if pool.has_places else 0
        spare = 0 if pool.contended or pool.is_idle(now) else max(0, pool.places - pool.busy)
        return LeaseRequest(
            connection_id=pool.connection_id,
            servant_id=self._servant_id,
            used_total=pool.used_total,
            keep=pool.tokens + pool.urgent_tokens,
            ask=ask,
            busy=pool.busy,
            places_wanted=max(lacking, spare),
            lease_seconds=self._lease_seconds,
        )


def _refusal(pool: Pool, call: Waiting, waited: float) -> Refusal | None:
    """Why the call should wait no longer, if it should not."""
    now, soon = time.monotonic(), datetime.now(UTC) + timedelta(seconds=PLACE_SECONDS)
    if pool.has_places and pool.busy >= pool.places and waited >= PLACE_SECONDS:
        return Refusal(now, soon, "as many calls as it allows at the same time are going on")
    if waited >= PATIENCE_SECONDS:
        return Refusal(now, soon, "the database does not lend any just now")
    return pool.refusal(call, now)


def _exhausted(pool: Pool, refusal: Refusal) -> BudgetExhausted:
    reset_at = refusal.reset_at
    message = f"Connection {pool.connection_id} waits until {reset_at:%Y-%m-%d %H:%M:%S} UTC: {refusal.reason}."
    until = reset_at
    if refusal.reserve_left:
        until = min(until, datetime.now(UTC) + timedelta(seconds=URGENT_LOOK_SECONDS))
    hold = Hold(HoldKind.BUDGET, f"connection:{pool.connection_id}", until, message)
    return BudgetExhausted(message, reset_at=reset_at, hold=hold)
