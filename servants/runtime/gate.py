"""What a job passes before it may use a connection: incidents, breakers, blocks; and what its end says about them.

A job that may not pass is put back without a call, and its lane is held. Where a probe is due, the first job that comes
passes as the probe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import psycopg

from infra.logs import get_logger
from infra.postgres import breakers, incidents
from infra.postgres.account_keys import Sealed
from infra.postgres.breakers import Attempt, connection_scope, provider_scope
from infra.postgres.budgets import declare_budgets
from infra.postgres.connect import Database, DatabaseUnreachable
from infra.postgres.obstacles import PROBE_WAIT_SECONDS
from retinue.breaker import BreakerState, Circuit
from retinue.budget import Budget
from retinue.errors import LaneBlocked, PermanentError, TransientError
from retinue.holds import Hold, HoldKind
from retinue.job import BaseJob
from retinue.outcomes import Blocked, Completed, Fail, Outcome, Park, Retry
from retinue.provider import Provider, find_provider
from retinue.settlement import storable
from servants.runtime.budget_leases import BudgetLeases

PROBE_WAIT = timedelta(seconds=PROBE_WAIT_SECONDS)

#: A process that saw its credentials refused lets nobody pass for so long: until the incident is surely written.
SHUT_SECONDS = 2.0

log = get_logger(__name__)


class Obstacle(NamedTuple):
    """One reason not to pass; `due` says that a probe may."""

    kind: HoldKind
    key: str
    reason: str
    until: datetime
    due: bool


class Opened(NamedTuple):
    """A connection's row as the gate reads it; the credentials are sealed."""

    id: int
    account_id: int
    provider: str
    name: str
    config: Any
    credentials: bytes
    wrapped_key: bytes | None

    @property
    def sealed(self) -> Sealed:
        """The credentials as the vault opens them."""
        return Sealed(self.account_id, self.credentials, self.wrapped_key)


@dataclass(slots=True)
class Passage:
    """One job's use of one connection."""

    connection_id: int
    provider: Provider
    attempt: Attempt
    #: Breakers whose probe this job is.
    probed: set[str] = field(default_factory=set)
    probes_incident: bool = False
    succeeded: int = 0
    refused: bool = False
    #: Why the breaker stays open after this job was its probe.
    reopened: Hold | None = None


class Gate:
    """The gate of one process."""

    def __init__(
        self, database: Database, leases: BudgetLeases, *, on_released: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._leases = leases
        self._on_released = on_released
        self._lock = threading.Lock()
        self._passages: dict[Attempt, list[Passage]] = {}
        #: Connections that this process found shut, until when by the monotonic clock, and why.
        self._shut: dict[int, tuple[float, Hold]] = {}
        self._declared: set[int] = set()

    def open(self, job: BaseJob[Any], connection_id: int) -> tuple[Opened, Passage]:
        """Let the job use the connection.

        Raises:
            PermanentError: the job's account has no such connection.
            LaneBlocked: it may not be used now.
        """
        self.check(connection_id)
        params = {"connection_id": connection_id, "account_id": job.account_id, "probe_wait": PROBE_WAIT}
        rows = self._database.fetch("open_gate", params)
        if not rows:
            raise PermanentError(_no_connection(job.account_id, connection_id))
        opened, budgets, obstacles = Opened(*rows[0][:7]), rows[0][7], rows[0][8]
        passage = Passage(opened.id, find_provider(opened.provider), Attempt(job.id, job.attempt))
        self._pass([_obstacle(row) for row in obstacles], passage)
        self._remember(passage)
        self._know_budget(opened.id, passage.provider.budget, budgets)
        return opened, passage

    def check(self, connection_id: int) -> None:
        """Stop what would use a connection that this process has just found shut.

        Raises:
            LaneBlocked: it has.
        """
        shut = self._shut.get(connection_id)
        if shut is None:
            return
        if time.monotonic() < shut[0]:
            raise LaneBlocked(hold=shut[1])
        self._shut.pop(connection_id, None)

    def refused(self, passage: Passage) -> None:
        """The provider refused the credentials: nobody else of this process tries them."""
        passage.refused = True
        hold = Hold(HoldKind.INCIDENT, connection_scope(passage.connection_id), None, "the sign-in was refused")
        self._shut_off(passage.connection_id, hold, SHUT_SECONDS)

    def _shut_off(self, connection_id: int, hold: Hold, seconds: float) -> None:
        seconds = min(seconds, SHUT_SECONDS)
        hold = hold._replace(until=datetime.now(UTC) + timedelta(seconds=seconds))
        self._shut[connection_id] = (time.monotonic() + seconds, hold)

    def failed(self, passage: Passage, error: BaseException) -> None:
        """A call failed in a way that counts for the breakers."""
        own = connection_scope(passage.connection_id)
        policies = {own: passage.provider.breaker}
        if passage.provider.shared_breaker is not None:
            policies[provider_scope(passage.provider.name)] = passage.provider.shared_breaker
        reason = _told(error)
        for scope, policy in policies.items():
            record = partial(
                breakers.record_failure, scope=scope, policy=policy, attempt=passage.attempt, reason=reason
            )
            circuit = self._write(record)
            if circuit is not None and circuit.state is BreakerState.OPEN:
                self._opened(passage, scope, circuit, reason)

    def succeeded(self, passage: Passage) -> None:
        """A call was answered: a breaker whose probe this is closes. Otherwise this costs nothing."""
        passage.succeeded += 1
        for scope in list(passage.probed):
            passage.probed.discard(scope)
            close = partial(breakers.close_breaker, scope=scope, attempt=passage.attempt)
            if self._write(close):
                self._on_released()
                log.info("breaker_closed", scope=scope, job=passage.attempt.job_id)

    def conclude(self, job: BaseJob[Any], outcome: Outcome) -> Outcome:
        """What the job's end says about the connections it used; the outcome as it is to be settled."""
        with self._lock:
            passages = self._passages.pop(Attempt(job.id, job.attempt), [])
        for passage in passages:
            outcome = self._conclude(passage, outcome, is_last=passage is passages[-1])
        return outcome

    def forget(self, job: BaseJob[Any]) -> None:
        """The job is no longer this process's: it says nothing about anything."""
        with self._lock:
            self._passages.pop(Attempt(job.id, job.attempt), None)

    def _conclude(self, passage: Passage, outcome: Outcome, *, is_last: bool) -> Outcome:
        if isinstance(outcome, Park) and (passage.refused or is_last) and outcome.connection_id is None:
            if not passage.refused:
                self.refused(passage)
            outcome = Park(outcome.message, outcome.kind, outcome.incident, passage.connection_id)
        elif passage.probes_incident:
            self._end_incident_probe(passage, outcome)
        self._end_breaker_probes(passage, outcome)
        if passage.reopened is not None and isinstance(outcome, Retry):
            # Looking whether the provider works again costs the job nothing.
            return Blocked(passage.reopened)
        return outcome

    def _end_incident_probe(self, passage: Passage, outcome: Outcome) -> None:
        if isinstance(outcome, Completed) or (passage.succeeded and not isinstance(outcome, Park | Blocked)):
            self._resolve(passage)
            return
        told = storable(getattr(outcome, "message", "") or type(outcome).__name__)
        postpone = partial(incidents.postpone_probe, connection_id=passage.connection_id, attempt=passage.attempt)
        self._write(partial(postpone, error=told))

    def _resolve(self, passage: Passage) -> None:
        resolve = partial(incidents.resolve_incidents, connection_id=passage.connection_id, attempt=passage.attempt)
        lanes = self._write(partial(resolve, by=f"job {passage.attempt.job_id}, its probe"))
        self._on_released()
        log.info("incident_resolved", connection=passage.connection_id, lanes=len(lanes or ()))

    def _end_breaker_probes(self, passage: Passage, outcome: Outcome) -> None:
        """For a job that made no counted call."""
        if not passage.probed:
            return
        if isinstance(outcome, Completed | Fail):
            self.succeeded(passage)
        elif isinstance(outcome, Retry) and isinstance(outcome.cause, TransientError | OSError):
            self.failed(passage, outcome.cause)
        for scope in list(passage.probed):
            give_back = partial(breakers.give_back_probe, scope=scope, attempt=passage.attempt)
            self._write(give_back)

    def _opened(self, passage: Passage, scope: str, circuit: Circuit, reason: str) -> None:
        hold = breakers.hold_of(scope, circuit, reason)
        if scope in passage.probed:
            passage.probed.discard(scope)
            passage.reopened = hold
        log.warning("breaker_opened", scope=scope, openings=circuit.openings, error=reason)
        if circuit.probe_at is not None:
            self._shut_off(passage.connection_id, hold, (circuit.probe_at - datetime.now(UTC)).total_seconds())

    def _pass(self, obstacles: list[Obstacle], passage: Passage) -> None:
        closed = [obstacle for obstacle in obstacles if not obstacle.due]
        if closed:
            raise LaneBlocked(hold=_hold(max(closed, key=lambda obstacle: obstacle.until), passage))
        for obstacle in obstacles:
            if not self._take_probe(obstacle, passage):
                later = obstacle._replace(until=datetime.now(UTC) + PROBE_WAIT)
                raise LaneBlocked(hold=_hold(later, passage))

    def _take_probe(self, obstacle: Obstacle, passage: Passage) -> bool:
        with self._database.transaction() as connection:
            if obstacle.kind is HoldKind.INCIDENT:
                taken = incidents.take_probe(connection, int(obstacle.key), passage.attempt)
                passage.probes_incident |= taken
            else:
                taken = breakers.take_probe(connection, obstacle.key, passage.attempt)
                if taken:
                    passage.probed.add(obstacle.key)
        if taken:
            log.info("probe_begun", kind=obstacle.kind, connection=passage.connection_id, job=passage.attempt.job_id)
        return taken

    def _remember(self, passage: Passage) -> None:
        with self._lock:
            self._passages.setdefault(passage.attempt, []).append(passage)

    def _know_budget(self, connection_id: int, declared: Budget, stored: list[list[Any]]) -> None:
        """Write what is declared where it is missing, and once where it differs: two versions may run side by side."""
        wanted = {seconds: (limit, declared.reserve) for seconds, limit in declared.windows().items()}
        windows = {seconds for seconds, *_ in stored}
        written = {seconds: (limit, reserve) for seconds, limit, reserve, source in stored if source == "declared"}
        is_new = connection_id not in self._declared
        self._declared.add(connection_id)
        if wanted.keys() - windows or (
            is_new and any(wanted.get(seconds) != rate for seconds, rate in written.items())
        ):
            with self._database.transaction() as connection:
                declare_budgets(connection, connection_id, declared, source="declared")
        self._leases.knows(connection_id, windows | wanted.keys())

    def _write(self, write: Callable[[psycopg.Connection], Any]) -> Any:
        """What only tells others about a connection must not change what becomes of the job."""
        try:
            with self._database.transaction() as connection:
                return write(connection)
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("probe_not_written", error=str(error))
            return None


def _told(error: BaseException) -> str:
    """What is kept of an error as a breaker's reason; its text is the provider's, its class the author's."""
    try:
        return storable(str(error) or type(error).__name__)
    except Exception:  # noqa: BLE001 - one that cannot be shown opens a breaker like any other
        return type(error).__name__


def _no_connection(account_id: int | None, connection_id: int) -> str:
    if account_id is None:
        return f"the job has no account, so it may not use connection {connection_id}: enqueue it with an account"
    return f"account {account_id} has no connection {connection_id}"


def _obstacle(row: list[Any]) -> Obstacle:
    kind, key, reason, until, due = row
    return Obstacle(HoldKind(kind), key, reason or "the provider wants no calls", datetime.fromisoformat(until), due)


def _hold(obstacle: Obstacle, passage: Passage) -> Hold:
    scope = obstacle.key if obstacle.kind is HoldKind.BREAKER else connection_scope(passage.connection_id)
    return Hold(obstacle.kind, scope, obstacle.until, obstacle.reason)
