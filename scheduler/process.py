"""One scheduler process: runs the passes on APScheduler's clock and on the bell."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from queue import SimpleQueue
from typing import Any

import psycopg
from apscheduler.schedulers.background import BackgroundScheduler

from infra.logs import get_logger
from infra.loop import LoopRunner, LoopStats, PassResult
from infra.postgres.bell import listen
from infra.postgres.connect import Database, DatabaseUnreachable
from infra.queues.transport import Queues
from infra.settings import Settings
from infra.version import VERSION
from retinue.clock import SystemClock
from scheduler.anomalies import Anomalies
from scheduler.costs import Costs
from scheduler.dispatch import Dispatch
from scheduler.groups import Groups
from scheduler.observer import Observer
from scheduler.plan import Plan
from scheduler.rescue import Rescue
from scheduler.retain import Retain
from scheduler.rollup import Rollup

#: How often each pass runs when nothing wakes it, in seconds; dispatch has a setting of its own.
PLAN_SECONDS = 1
RESCUE_SECONDS = 2
GROUPS_SECONDS = 1
RETAIN_SECONDS = 900
ROLLUP_SECONDS = 15
ANOMALIES_SECONDS = 3
COSTS_SECONDS = 60
HEARTBEAT_SECONDS = 5

#: Pause before listening again after the connection failed, in seconds.
RELISTEN_SECONDS = 1

log = get_logger(__name__)


class SchedulerProcess:
    """Runs every pass until it is told to stop."""

    def __init__(self, settings: Settings, *, database: Database, queues: Queues) -> None:
        self._database = database
        self._queues = queues
        self._stopped = threading.Event()
        self._observer = Observer(settings, database=database, queues=queues)
        here = {"host": socket.gethostname(), "pid": os.getpid(), "version": VERSION}
        self.id = int(database.fetch("register_scheduler", here)[0][0])
        # A dispatch that a crash undoes leaves its jobs pending, and its messages claim nothing: no harm, so no wait.
        self._hurried = Database(database.url, application_name="retinue-dispatch", max_connections=2, durable=False)
        lease = settings.lease_seconds
        passes = {
            "plan": (Plan(database).run_once, PLAN_SECONDS),
            "dispatch": (
                Dispatch(self._hurried, queues, alive_seconds=lease, traces=self._observer.traces).run_once,
                settings.dispatch_poll_seconds,
            ),
            "rescue": (
                Rescue(
                    database, queued_timeout_seconds=settings.queued_timeout_seconds, lost_seconds=2 * lease
                ).run_once,
                RESCUE_SECONDS,
            ),
            "groups": (Groups(database, on_work=self._wake_dispatch).run_once, GROUPS_SECONDS),
            "retain": (Retain(database, history_days=settings.history_days).run_once, RETAIN_SECONDS),
            "rollup": (Rollup(database, figures_days=settings.figures_days).run_once, ROLLUP_SECONDS),
            "anomalies": (Anomalies(database).run_once, ANOMALIES_SECONDS),
            "costs": (Costs(database, figures_days=settings.figures_days).run_once, COSTS_SECONDS),
            "heartbeat": (self._beat, HEARTBEAT_SECONDS),
        }
        self._clockwork = BackgroundScheduler(timezone="UTC")
        self.loops = {name: self._loop(name, *rule) for name, rule in passes.items()}
        self._observer.passes.loops = self.loops
        self._listener = threading.Thread(target=self._listen, name="listen", daemon=True)

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit status."""
        # A queue and not an event: setting an event that the main thread is about to wait on can block for ever.
        asked: SimpleQueue[None] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: asked.put(None))
        self.start()
        asked.get()
        self.stop()
        return 0

    def start(self) -> None:
        """Start the passes: APScheduler wakes each at its interval, the bell wakes dispatch."""
        self._observer.serve(self.id)
        # Before the first job can finish, its day must have its partition.
        self.loops["retain"].run_once()
        for loop in self.loops.values():
            loop.start()
        self._clockwork.start()
        self._listener.start()
        log.info("scheduler_started", scheduler=self.id, pid=os.getpid())

    def stop(self) -> None:
        """Stop the passes after what they are doing, whether or not they were started."""
        self._stopped.set()
        if self._clockwork.running:
            self._clockwork.shutdown(wait=False)
        for loop in self.loops.values():
            loop.stop()
        self._record_stop()
        self._hurried.close()
        self._observer.close()
        log.info("scheduler_stopped", scheduler=self.id, sqs_calls=dict(self._queues.calls))

    def _loop(self, name: str, run_once: Any, seconds: float) -> LoopRunner:
        timed = self._observer.passes.timed(name, run_once)
        # Its own interval is monotonic: APScheduler goes by the wall clock, and sleeps when that is set back.
        loop = LoopRunner(name, timed, interval_seconds=seconds, clock=SystemClock())
        self._clockwork.add_job(loop.wake, "interval", seconds=seconds, id=name, coalesce=True, max_instances=1)
        return loop

    def _wake_dispatch(self) -> None:
        self.loops["dispatch"].wake()

    def _listen(self) -> None:
        wake = self.loops["dispatch"].wake
        while not self._stopped.is_set():
            try:
                listen(self._database.url, wake, self._stopped)
            except (psycopg.Error, DatabaseUnreachable) as error:
                log.warning("listen_failed", error=str(error))
                self._stopped.wait(RELISTEN_SECONDS)

    def _beat(self) -> PassResult:
        self._database.fetch("scheduler_heartbeat", self._report(stopped=False))
        return PassResult()

    def _record_stop(self) -> None:
        try:
            self._database.fetch("scheduler_heartbeat", self._report(stopped=True))
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("stop_not_recorded", scheduler=self.id, error=str(error))

    def _report(self, *, stopped: bool) -> dict[str, Any]:
        passes = {name: _figures(loop.stats) for name, loop in self.loops.items()}
        return {"scheduler_id": self.id, "passes": json.dumps(passes), "stopped": stopped}


def _figures(stats: LoopStats) -> dict[str, Any]:
    return {
        "runs": stats.runs,
        "errors": stats.errors,
        "consecutive_errors": stats.consecutive_errors,
        "done": stats.done,
        "last_seconds": stats.last_seconds,
        "last_error": stats.last_error,
        "last_success_at": stats.last_success_at and stats.last_success_at.isoformat(),
    }
