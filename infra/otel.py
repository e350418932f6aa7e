"""The spans of a job's life. Imported only where traces are on; see `infra.tracing`.

Names and attributes follow OpenTelemetry's semantic conventions for messaging spans; Retinue's own begin with
`retinue.`. docs/observing.md lists them.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from infra.redaction import mask_text
from infra.version import VERSION
from retinue.job import JobFacts
from retinue.settlement import Settlement

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from infra.settings import Settings

_W3C = TraceContextTextMapPropagator()
_LIBRARY = "retinue"

#: How long the last spans may take to go out when a process ends, in seconds.
FLUSH_SECONDS = 2.0


class Dispatched(NamedTuple):
    """A job that has just been sent to its queue; in the order of `read_traces`."""

    id: int
    type: str
    lane: str
    account_id: int | None
    traceparent: str
    due_at: datetime
    queued_at: datetime


class EnqueueSpan:
    """See `infra.tracing.EnqueueSpan`."""

    def __init__(self, span: Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(span))
        self.traceparent = carrier.get("traceparent")

    def made(self, ids: Sequence[int]) -> None:
        """One job is named, several are counted."""
        if len(ids) == 1:
            self._span.set_attribute("messaging.message.id", str(ids[0]))
        else:
            self._span.set_attribute("messaging.batch.message_count", len(ids))


@contextmanager
def enqueue_span(job_types: Sequence[str]) -> Iterator[EnqueueSpan]:
    """A span of the program's own tracer."""
    named = set(job_types)
    destination = named.pop() if len(named) == 1 else "several types"
    attributes = _messaging("enqueue", destination, "send")
    tracer = trace.get_tracer(_LIBRARY, VERSION)
    with tracer.start_as_current_span(f"enqueue {destination}", kind=SpanKind.PRODUCER, attributes=attributes) as span:
        yield EnqueueSpan(span)


class Tracing:
    """The spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer(_LIBRARY, VERSION)

    @classmethod
    def exporting(cls, settings: Settings, process: str) -> Tracing:
        """Traces that go to the collector; the provider serves the handlers' own spans, too."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create(_about(settings, process)), shutdown_on_exit=False)
        endpoint = None if settings.otel_endpoint is None else f"{settings.otel_endpoint}/v1/traces"
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
        trace.set_tracer_provider(provider)
        return cls(provider)

    def dispatched(self, jobs: Sequence[Dispatched]) -> None:
        """A span for each, from when it was due until it was sent."""
        for job in jobs:
            self._tracer.start_span(
                f"dispatch {job.type}",
                context=_parent(job.traceparent),
                attributes=_messaging("dispatch", job.type)
                | _job(job.id, job.lane, job.account_id)
                | {"retinue.wait_seconds": (job.queued_at - job.due_at).total_seconds()},
                start_time=_nanoseconds(min(job.due_at, job.queued_at)),
            ).end(_nanoseconds(job.queued_at))

    @contextmanager
    def perform(self, facts: JobFacts, servant_id: int) -> Iterator[Span]:
        """The attempt: goes on with the trace of who enqueued the job, and is the parent of what its handler does."""
        attributes = _messaging("perform", facts.type, "process") | _job(facts.id, facts.lane, facts.account_id)
        attributes |= {
            "retinue.job.attempt": facts.attempt,
            "retinue.servant.id": servant_id,
            "retinue.wait_seconds": facts.waited_seconds,
        }
        with self._tracer.start_as_current_span(
            f"perform {facts.type}",
            context=_parent(facts.traceparent),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
        ) as span:
            yield span

    def tell(self, span: Span, settlement: Settlement | None) -> None:
        """Say on the attempt's span what it came to; None where its own commit completed it, or it lost its lease."""
        if settlement is None:
            return
        span.set_attributes({"retinue.job.state": settlement.state, "retinue.job.reason": settlement.reason})
        if settlement.failed_attempt:
            error = settlement.error or {}
            span.set_attribute("error.type", str(error.get("kind", settlement.reason)))
            span.set_status(Status(StatusCode.ERROR, mask_text(str(error.get("message", "")))))

    @contextmanager
    def commit(self, facts: JobFacts) -> Iterator[None]:
        """A fenced transaction of the handler."""
        attributes: dict[str, Any] = {"messaging.message.id": str(facts.id), "retinue.job.attempt": facts.attempt}
        with self._tracer.start_as_current_span(
            f"commit {facts.type}", attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                # Not as the library does it: with a traceback that may hold secrets.
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def settled(self, job_type: str, settled: Sequence[tuple[Span, int]]) -> None:
        """A span for each attempt that has been written: its span, and when its outcome was there to be written."""
        now = time.time_ns()
        for span, ready_at in settled:
            self._tracer.start_span(
                f"settle {job_type}",
                context=trace.set_span_in_context(span, Context()),
                kind=SpanKind.CLIENT,
                attributes=_messaging("settle", job_type, "settle"),
                start_time=ready_at,
            ).end(now)

    def close(self) -> None:
        """Send what has not gone out, and end; a collector that is away is not waited for any longer."""
        # The library's own limit is that of the exporter, which tries again for ten seconds.
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(FLUSH_SECONDS)


def _messaging(operation: str, destination: str, kind: str | None = None) -> dict[str, Any]:
    attributes = {
        "messaging.system": "retinue",
        "messaging.operation.name": operation,
        "messaging.destination.name": destination,
    }
    return attributes if kind is None else attributes | {"messaging.operation.type": kind}


def _job(identity: int, lane: str, account_id: int | None) -> dict[str, Any]:
    attributes: dict[str, Any] = {"messaging.message.id": str(identity), "retinue.job.lane": lane}
    return attributes if account_id is None else attributes | {"retinue.account.id": account_id}


def _parent(traceparent: str | None) -> Context:
    """A context with the enqueue's span, or an empty one: then the span begins a trace."""
    return _W3C.extract({"traceparent": traceparent} if traceparent else {}, Context())


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


def _about(settings: Settings, process: str) -> dict[str, Any]:
    about = {
        "service.namespace": "retinue",
        "service.version": VERSION,
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        "deployment.environment.name": settings.environment,
    }
    # OpenTelemetry's own variable names the service otherwise.
    return about if os.environ.get("OTEL_SERVICE_NAME") else about | {"service.name": f"retinue-{process}"}
