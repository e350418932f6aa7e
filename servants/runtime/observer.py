"""What a servant process tells of itself: its metrics, and the traces where they are on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from infra.call_ledger import CallLedger
from infra.logs import get_logger
from infra.loop import LoopRunner
from infra.metrics import Gauges, MetricsServer, new_registry, serve_metrics
from infra.postgres.connect import Database
from infra.queues.transport import Queues
from infra.settings import Settings
from infra.tracing import start_tracing
from servants.runtime.metrics import SettleMetrics
from servants.runtime.performer import Performed

#: How long the last calls may take to be kept, in seconds.
LEDGER_SECONDS = 2.0

log = get_logger(__name__)


class Observer:
    """Counts what is written, serves the metrics, and ends the spans."""

    def __init__(self, job_type: str, settings: Settings, *, queues: Queues) -> None:
        """Raises ConfigurationError where traces are on and OpenTelemetry is not installed."""
        self.tracing = start_tracing(settings, "servant")
        self.gauges = Gauges({"type": job_type})
        self._type = job_type
        self._settings = settings
        self._settled = SettleMetrics(job_type)
        self.registry = new_registry("servant", settings, queues, self.gauges, *self._settled.collectors)
        self._queues = queues
        self._server: MetricsServer | None = None
        self._ledger: CallLedger | None = None

    def written(self, batch: Sequence[Performed]) -> None:
        """The outcomes of these have been written. Never raises: who settled them would take them for unwritten."""
        try:
            if batch:
                self._count(batch)
        except Exception:
            log.exception("settled_not_counted", jobs=len(batch))

    def _count(self, batch: Sequence[Performed]) -> None:
        self._settled.count(batch)
        if self.tracing is not None:
            self.tracing.settled(self._type, [p.held.trace for p in batch if p.held.trace is not None])

    def serve(self, database: Database, servant_id: int) -> None:
        """Serve the metrics, say in the servant's row where, and keep what the queues cost.

        Raises:
            DatabaseUnreachable, psycopg.Error: it cannot be said.
        """
        self._ledger = CallLedger(self._queues, database)
        self._ledger.start()
        self._server = serve_metrics(self.registry, self._settings)
        if self._server is not None:
            database.fetch("note_servant_metrics", {"servant_id": servant_id, "port": self._server.port})

    def close(self) -> None:
        """Send the last spans, keep the last calls, and serve no longer."""
        if self._ledger is not None:
            self._ledger.stop(LEDGER_SECONDS)
        if self.tracing is not None:
            self.tracing.close()
        if self._server is not None:
            self._server.close()


def success_age(loop: LoopRunner) -> float:
    """Seconds since the loop's last run that raised nothing; not a number before the first."""
    last = loop.stats.last_success_at
    return math.nan if last is None else (datetime.now(UTC) - last).total_seconds()
