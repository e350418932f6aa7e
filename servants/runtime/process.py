"""One servant process: puts the parts together, runs them, and drains."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import Any

import psycopg

from infra.logs import get_logger
from infra.loop import LoopRunner
from infra.postgres.bell import Bell
from infra.postgres.connect import Database, DatabaseUnreachable
from infra.queues.transport import Queues
from infra.secrets import Keyring
from infra.settings import Settings
from infra.version import VERSION
from retinue.clock import SystemClock
from retinue.servant import ServantType
from retinue.settlement import Settlement
from retinue.states import JobState, Reason
from servants.runtime.capacity import Capacity
from servants.runtime.claimer import Claimer
from servants.runtime.heartbeat import Heartbeat
from servants.runtime.held import HeldJob, HeldJobs
from servants.runtime.performer import DRAINING, Performed, Performer
from servants.runtime.rate import RateMeter
from servants.runtime.receiver import Receiver
from servants.runtime.services import Services
from servants.runtime.settler import Settler
from servants.runtime.slots import Slots
from servants.runtime.watch import Watch

#: The exit status after a job ignored being asked to stop: supervisor starts a fresh process.
EXIT_OVERRUN = 70

#: At most this often a start or an end of a job causes a heartbeat of its own, in seconds.
BEAT_GAP_SECONDS = 0.5

#: Time for the last outcomes to be written, in seconds.
FLUSH_SECONDS = 10

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
        self.id = _register(database, servant)
        self._exit_code = 0
        self._asked_to_drain = threading.Event()
        self._last_beat_wake = 0.0
        self._build(keyring)

    def _build(self, keyring: Keyring) -> None:
        held, writes, meter = HeldJobs(), threading.Lock(), RateMeter(self.type.slots)
        lease, clock = self._settings.lease_seconds, SystemClock()
        self._held, self._meter = held, meter
        services = Services(self._database, keyring, self._bell, servant_id=self.id)
        self._settler = Settler(self._database, held, servant_id=self.id, writes=writes, on_settled=self._on_settled)
        self._slots = Slots(self.type.slots, Performer(self.type, services, self.id), self._on_performed)
        self._receiver = Receiver(
            self._queues,
            Claimer(self._database, job_type=self.type.name, servant_id=self.id, lease_seconds=lease),
            Capacity(self.type.slots, meter, held),
            job_type=self.type.name,
            on_claimed=self._on_claimed,
        )
        self._heartbeat = Heartbeat(
            self._database, held, servant_id=self.id, lease_seconds=lease, writes=writes, figures=self._figures
        )
        self._beats = LoopRunner(
            "heartbeat", self._heartbeat.beat, interval_seconds=self._settings.heartbeat_seconds, clock=clock
        )
        watch = Watch(self.type, held, settle=self._settler.put, on_overrun=self._on_overrun)
        self._watch = LoopRunner("watch", watch.look, interval_seconds=watch.interval_seconds, clock=clock)

    def run(self) -> int:
        """Work until SIGTERM, SIGINT or an overrun; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._asked_to_drain.set())
        self.start()
        self._asked_to_drain.wait()
        self.drain()
        return self._exit_code

    def start(self) -> None:
        """Start every thread."""
        self._settler.start()
        self._slots.start()
        self._beats.start()
        self._watch.start()
        self._receiver.start()
        log.info("servant_started", type=self.type.name, servant=self.id, slots=self.type.slots, pid=os.getpid())

    def drain(self) -> None:
        """Hand back what has not begun, give what runs its grace, then release it; no attempt is spent."""
        log.info("servant_draining", servant=self.id, held=len(self._held))
        self._heartbeat.state = "draining"
        self._receiver.stop(FLUSH_SECONDS)
        self._release(self._slots.take_back())
        self._slots.stop()
        if not self._held.wait_until_empty(self._settings.drain_grace_seconds):
            self._ask_running_to_stop()
        self._settler.stop(FLUSH_SECONDS)
        self._watch.stop()
        self._beats.stop()
        self._say_stopped()
        self._bell.close()
        log.info("servant_stopped", servant=self.id, exit_code=self._exit_code, sqs_calls=dict(self._queues.calls))

    def _ask_running_to_stop(self) -> None:
        """The grace is over: ask, wait a moment, then release over their heads. The fence keeps them harmless."""
        for held in self._held.running():
            held.ask_to_stop(DRAINING, time.monotonic())
        if not self._held.wait_until_empty(self.type.grace.total_seconds()):
            stubborn = self._held.running()
            for held in stubborn:
                held.abandoned = True
            self._release(stubborn)

    def _release(self, jobs: list[HeldJob]) -> None:
        for held in jobs:
            facts = held.facts
            back = Settlement(job_id=facts.id, attempt=facts.attempt, state=JobState.PENDING, reason=Reason.RELEASE)
            self._settler.put(Performed(held, back, 0.0))

    def _on_claimed(self, jobs: list[HeldJob]) -> None:
        self._held.add(jobs)
        self._slots.put(jobs)
        self._beat_soon()

    def _on_performed(self, performed: Performed) -> None:
        self._meter.add(performed.run_seconds)
        self._settler.put(performed)

    def _on_settled(self, jobs: int, lanes_woken: bool) -> None:
        if lanes_woken:
            self._bell.ring()
        self._beat_soon()

    def _on_overrun(self) -> None:
        self._exit_code = EXIT_OVERRUN
        self._asked_to_drain.set()

    def _beat_soon(self) -> None:
        now = time.monotonic()
        if now - self._last_beat_wake > BEAT_GAP_SECONDS:
            self._last_beat_wake = now
            self._beats.wake()

    def _figures(self) -> dict[str, Any]:
        return {
            "rate": self._meter.jobs_per_second,
            "since_receive_seconds": time.monotonic() - self._receiver.received_at,
        }

    def _say_stopped(self) -> None:
        try:
            self._database.fetch("stop_servant", {"servant_id": self.id})
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("stop_not_recorded", servant=self.id, error=str(error))


def _register(database: Database, servant: ServantType[Any]) -> int:
    """Announce the type and this process; returns the servant's ID."""
    rules = {
        "type": servant.name,
        "slots": servant.slots,
        "timeout_seconds": servant.timeout.total_seconds(),
        "lane_limit": servant.lane_limit,
    }
    database.fetch("register_type", rules)
    here = {"host": socket.gethostname(), "pid": os.getpid(), "version": VERSION}
    return int(database.fetch("register_servant", {**here, "type": servant.name, "slots": servant.slots})[0][0])
