"""One servant process: puts the parts together, runs them, and drains."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from infra.logs import get_logger
from infra.loop import LoopRunner, PassResult
from infra.postgres.bell import Bell
from infra.postgres.connect import Database
from infra.queues.transport import Queues
from infra.secrets import Keyring
from infra.settings import Settings
from retinue.clock import SystemClock
from retinue.retry import Exponential
from retinue.servant import ServantType
from retinue.settlement import Settlement
from retinue.states import JobState, Reason
from servants.runtime.asks import Ask, Asks
from servants.runtime.budget_leases import BudgetLeases
from servants.runtime.capacity import Capacity
from servants.runtime.charges import Charges
from servants.runtime.claimer import Claimer
from servants.runtime.heartbeat import Heartbeat
from servants.runtime.held import HeldJob, HeldJobs
from servants.runtime.observer import Observer, success_age
from servants.runtime.performer import DRAINING, Performed, Performer
from servants.runtime.rate import RateMeter
from servants.runtime.receiver import Receiver
from servants.runtime.registration import register, say_stopped
from servants.runtime.services import Services
from servants.runtime.settler import Settler
from servants.runtime.slots import AnySlots, Slots
from servants.runtime.surplus import Surplus
from servants.runtime.trial import Trial
from servants.runtime.watch import Watch

#: The exit status after a job ignored being asked to stop: supervisor starts a fresh process.
EXIT_OVERRUN = 70

#: At most this often a start or an end of a job causes a heartbeat of its own, in seconds.
BEAT_GAP_SECONDS = 0.5

#: A heartbeat that failed is tried again after at most this long, in seconds: leases run out meanwhile.
BEAT_RETRY_SECONDS = 1.0

#: The end of a drain, in seconds: how long jobs that were asked to stop may take, and how long writing the last
#: outcomes. Together they are less than supervisor waits beyond the grace before it kills.
LAST_MOMENT_SECONDS = 3.0
FLUSH_SECONDS = 4.0

log = get_logger(__name__)


class ServantProcess:
    """Performs jobs of one type until it is told to drain."""

    def __init__(
        self, servant: ServantType[Any], settings: Settings, *, database: Database, queues: Queues, keyring: Keyring
    ) -> None:
        self.type = servant
        self._settings = settings
        self._database = database
        self._queues = queues
        self._bell = Bell(database.url)
        self._observer = Observer(servant.name, settings, queues=queues)
        self.id = register(database, servant)
        #: The status to leave with after the drain.
        self.exit_code = 0
        self._asks = Asks()
        self._changed = self._beat_follows = False
        self._slots_ended = True
        self._build(keyring)

    def _build(self, keyring: Keyring) -> None:
        held, writes, self._charges = HeldJobs(), threading.Lock(), Charges()
        lease, slots = self._settings.lease_seconds, self.type.slots
        self._held, self._meter = held, RateMeter(slots, held)
        capacity = Capacity(slots, self._meter, held)
        self._leases = BudgetLeases(self._database, servant_id=self.id, lease_seconds=lease)
        tracing = self._observer.tracing
        services = Services(
            self._database, keyring, self._bell, servant_id=self.id, leases=self._leases, tracing=tracing
        )
        self._settler = Settler(
            self._database,
            held,
            servant_id=self.id,
            writes=writes,
            order=self.type.order,
            on_settled=self._on_settled,
            on_written=self._observer.written,
        )
        admits = Trial(self._database, held).admits
        self._slots = self._build_slots(services, admits)
        self._receiver = Receiver(
            self._queues,
            Claimer(self._database, job_type=self.type.name, servant_id=self.id, lease_seconds=lease),
            capacity,
            job_type=self.type.name,
            on_claimed=self._on_claimed,
        )
        self._heartbeat = Heartbeat(
            self._database,
            held,
            servant_id=self.id,
            lease_seconds=lease,
            writes=writes,
            charges=self._charges,
            figures=self._figures,
            on_request=self._asks.heed,
        )
        self._surplus = Surplus(self._slots, capacity, held, release=self._release)
        self._limits = Watch(
            self.type,
            held,
            settle=self._settler.put,
            on_overrun=self._on_overrun,
            interrupt=self._slots.interrupt,
        )
        self._build_loops()
        self._build_gauges()

    def _build_slots(self, services: Services, admits: Callable[[HeldJob], bool]) -> AnySlots:
        tracing = self._observer.tracing
        if self.type.is_async:
            # Here, because others need no event loop.
            from servants.runtime.async_process import async_slots

            return async_slots(self.type, services, self.id, admits=admits, on_performed=self._on_performed)
        performer = Performer(self.type, services, self.id, admits=admits, gate=services.gate, tracing=tracing)
        return Slots(self.type.slots, performer, self._on_performed)

    def _build_loops(self) -> None:
        between, clock = self._settings.heartbeat_seconds, SystemClock()
        retry = min(BEAT_RETRY_SECONDS, between)
        backoff = Exponential(base=retry, cap=retry, floor=retry / 2)
        self._beats = LoopRunner("heartbeat", self._beat, interval_seconds=between, clock=clock, backoff=backoff)
        self._watch = LoopRunner("watch", self._look, interval_seconds=self._limits.interval_seconds, clock=clock)

    def _build_gauges(self) -> None:
        add = self._observer.gauges.add
        add("retinue_slots", "Jobs that this process can run at once.", lambda: self.type.slots)
        add("retinue_slots_busy", "Jobs that run.", lambda: len(self._held.running()))
        add("retinue_jobs_held", "Jobs claimed and not yet settled, running ones among them.", lambda: len(self._held))
        add("retinue_heartbeat_age_seconds", "Since the last heartbeat.", lambda: success_age(self._beats))
        add(
            "retinue_receive_age_seconds",
            "Since the last receive returned; one takes 20 seconds where nothing comes.",
            lambda: time.monotonic() - self._receiver.received_at,
        )

    def run(self) -> int:
        """Work until SIGTERM, SIGINT or an overrun; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask_to_drain())
        self.start()
        self.wait_until_asked()
        self.drain()
        if not self._slots_ended:
            # Python would wait for what a stuck handler has a thread do beside the loop, for ever.
            os._exit(self.exit_code)
        return self.exit_code

    def ask_to_drain(self) -> None:
        """Let `run` drain and return; may be called anywhere, in a signal handler too."""
        self._asks.put(Ask.LEAVE)

    def wait_until_asked(self, timeout: float | None = None) -> bool:
        """Wait until a signal, an overrun or an operator asks it to leave; False after `timeout` seconds.

        Asked to rest it takes nothing more, lets what runs come to its end, and waits on.
        """
        while (ask := self._asks.take(timeout)) is Ask.REST:
            log.info("servant_resting", servant=self.id, held=len(self._held))
            self._take_nothing_more()
            if self.type.standing:
                self._ask_running_to_stop()
        return ask is not None

    def start(self) -> None:
        """Start every thread."""
        self._observer.serve(self._database, self.id)
        self._settler.start()
        self._leases.start()
        self._slots.start()
        self._beats.start()
        self._watch.start()
        self._receiver.start()
        log.info("servant_started", type=self.type.name, servant=self.id, slots=self.type.slots, pid=os.getpid())

    def drain(self) -> None:
        """Hand back what has not begun, give what runs its grace, then release it; no attempt is spent."""
        log.info("servant_draining", servant=self.id, held=len(self._held))
        ends = time.monotonic() + (0 if self.type.standing else self._settings.drain_grace_seconds)
        self._take_nothing_more()
        if not self._held.wait_until_empty(max(0.0, ends - time.monotonic())):
            self._ask_running_to_stop()
        self._settler.stop(FLUSH_SECONDS)
        self._leases.stop(FLUSH_SECONDS)
        self._end()
        log.info("servant_stopped", servant=self.id, exit_code=self.exit_code, sqs_calls=dict(self._queues.calls))

    def _take_nothing_more(self) -> None:
        self._heartbeat.state = "draining"
        # At once, so that dispatch counts on these slots no longer.
        self._beats.wake()
        self._receiver.stop(FLUSH_SECONDS)
        self._release(self._slots.close())

    def _ask_running_to_stop(self) -> None:
        """The grace is over: ask, wait a moment, then release over their heads. The fence keeps them harmless."""
        for held in self._held.running():
            held.ask_to_stop(DRAINING, time.monotonic())
        moment = min(LAST_MOMENT_SECONDS, self.type.grace.total_seconds())
        if self._held.wait_until_empty(moment / 2):
            return
        for held in self._held.running():
            self._slots.interrupt(held)
        if self._held.wait_until_empty(moment / 2):
            return
        stubborn = [held for held in self._held.running() if not held.over]
        for held in stubborn:
            held.abandoned = True
        self._release(stubborn)

    def _end(self) -> None:
        """Stop what only serves the jobs. A thread that hangs in a server that is away ends with the process."""
        self._receiver.finish(FLUSH_SECONDS)
        self._slots_ended = self._slots.end(LAST_MOMENT_SECONDS / 2)
        self._watch.stop(FLUSH_SECONDS)
        self._beats.stop(FLUSH_SECONDS)
        say_stopped(self._database, self.id)
        self._observer.close()
        self._bell.close()

    def _release(self, jobs: list[HeldJob]) -> None:
        for held in jobs:
            facts = held.facts
            if held.started_at is None:
                self._charges.unused(held)
            back = Settlement(job_id=facts.id, attempt=facts.attempt, state=JobState.PENDING, reason=Reason.RELEASE)
            self._settler.put(Performed(held, back, 0.0))

    def _on_claimed(self, jobs: list[HeldJob]) -> None:
        self._held.add(jobs)
        if not self._slots.put(jobs):
            # Claimed while the drain began.
            self._release(jobs)
        # Give up the interpreter, so that a slot begins before this thread makes its next call.
        time.sleep(0)
        self._beat_soon()

    def _on_performed(self, performed: Performed) -> None:
        self._meter.add(performed.run_seconds)
        self._charges.ended(performed.held, performed.run_seconds)
        self._settler.put(performed)

    def _on_settled(self, jobs: int, lanes_woken: bool) -> None:
        if lanes_woken:
            self._bell.ring()
        self._beat_soon()

    def _on_overrun(self) -> None:
        self.exit_code = EXIT_OVERRUN
        self.ask_to_drain()

    def _look(self) -> PassResult:
        self._surplus.look()
        return self._limits.look()

    def _beat(self) -> PassResult:
        """Beat; while jobs start and end another beat follows soon, so that the last of them shows too."""
        # Before the beat looks at the jobs: what changes from here on has the beat that follows, or wakes one.
        self._beat_follows, self._changed = self._changed, False
        result = self._heartbeat.beat()
        soon = min(BEAT_GAP_SECONDS, self._settings.heartbeat_seconds)
        return PassResult(result.done, again_after=soon if self._beat_follows else None)

    def _beat_soon(self) -> None:
        self._changed = True
        if not self._beat_follows:
            self._beats.wake()

    def _figures(self) -> dict[str, Any]:
        return {
            "rate": self._meter.jobs_per_second,
            "since_receive_seconds": time.monotonic() - self._receiver.received_at,
        }
