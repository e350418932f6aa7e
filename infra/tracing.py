"""OpenTelemetry traces, from enqueue through dispatch to settle. Where they are off, nothing of it is imported.

In Retinue's own processes `RETINUE_OTEL_ENDPOINT` or OpenTelemetry's own variables turn them on. In a program that
enqueues, whatever that program has set up with the OpenTelemetry API is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from infra.settings_sources import variable_name
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from infra.otel import Tracing
    from infra.settings import Settings

#: OpenTelemetry's own variables for where traces go (OpenTelemetry Protocol Exporter, "Endpoint URLs for OTLP/HTTP").
ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class EnqueueSpan(Protocol):
    """The span of one enqueue."""

    @property
    def traceparent(self) -> str | None:
        """What the jobs keep, so that their servants go on with the trace (W3C Trace Context)."""

    def made(self, ids: Sequence[int]) -> None:
        """The jobs that were made."""


class _NoSpan:
    traceparent = None

    def made(self, ids: Sequence[int]) -> None:
        """Nobody is interested."""


_OFF: AbstractContextManager[EnqueueSpan] = nullcontext(_NoSpan())


def start_tracing(settings: Settings, process: str) -> Tracing | None:
    """The traces of this process, `scheduler` or `servant`; None where nothing turns them on.

    Raises:
        ConfigurationError: they are on, and what they need is not installed.
    """
    if settings.otel_endpoint is None and not any(os.environ.get(name) for name in ENDPOINT_VARIABLES):
        return None
    try:
        from infra.otel import Tracing
    except ImportError as error:
        raise ConfigurationError(
            f"Traces are turned on ({variable_name('otel_endpoint')} or {ENDPOINT_VARIABLES[1]} is set), and "
            f"OpenTelemetry is not installed ({error.name} is missing). Install retinue[otel], or unset them."
        ) from error
    return Tracing.exporting(settings, process)


def enqueue_span(job_types: Sequence[str]) -> AbstractContextManager[EnqueueSpan]:
    """A span around the enqueue of jobs of these types, where this program has loaded OpenTelemetry."""
    if "opentelemetry.trace" not in sys.modules:
        return _OFF
    from infra.otel import enqueue_span as traced

    return traced(job_types)
