"""What a scheduler tells of itself: its metrics, and the traces where they are on."""

from __future__ import annotations

from infra.call_ledger import CallLedger
from infra.metrics import MetricsServer, new_registry, serve_metrics
from infra.postgres.connect import Database
from infra.queues.transport import Queues
from infra.settings import Settings
from infra.tracing import start_tracing
from scheduler.dispatch_traces import DispatchTraces
from scheduler.metrics import PassMetrics
from scheduler.work_metrics import WorkMetrics

#: How long the last calls may take to be kept, in seconds.
LEDGER_SECONDS = 2.0


class Observer:
    """Times the passes, serves the metrics, and sends the spans."""

    def __init__(self, settings: Settings, *, database: Database, queues: Queues) -> None:
        """Raises ConfigurationError where traces are on and OpenTelemetry is not installed."""
        self._settings = settings
        self._database = database
        self._tracing = start_tracing(settings, "scheduler")
        self._server: MetricsServer | None = None
        self._ledger = CallLedger(queues, database)
        self.traces = None if self._tracing is None else DispatchTraces(self._tracing)
        self.passes = PassMetrics()
        self.registry = new_registry("scheduler", settings, queues, self.passes, WorkMetrics(database))

    def serve(self, scheduler_id: int) -> None:
        """Serve the metrics, say in the scheduler's row where, and keep what the queues cost.

        Raises:
            DatabaseUnreachable, psycopg.Error: it cannot be said.
        """
        self._ledger.start()
        self._server = serve_metrics(self.registry, self._settings)
        if self._server is not None:
            params = {"scheduler_id": scheduler_id, "port": self._server.port}
            self._database.fetch("note_scheduler_metrics", params)

    def close(self) -> None:
        """Send the last spans, keep the last calls, and serve no longer."""
        self._ledger.stop(LEDGER_SECONDS)
        if self._tracing is not None:
            self._tracing.close()
        if self._server is not None:
            self._server.close()
