"""Spans tell nothing secret: they leave the house."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from infra.otel import Tracing
from retinue.outcomes import Fail
from retinue.retry import Exponential
from retinue.settlement import settle
from tests.support.runtime import held_job

SECRET = "cannot sign in at https://me:hunter2@example.com"


@pytest.fixture
def sent() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(sent: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(sent))
    return Tracing(provider)


def test_why_an_attempt_failed_is_told_without_its_secrets(tracing: Tracing, sent: InMemorySpanExporter) -> None:
    failed = settle(1, 1, Fail(SECRET), retry=Exponential(), failures=0)
    with tracing.perform(held_job().facts, 1) as span:
        tracing.tell(span, failed)
    (told,) = sent.get_finished_spans()
    assert told.status.status_code is StatusCode.ERROR
    assert "cannot sign in at https://" in told.to_json()
    assert "hunter2" not in told.to_json()


def test_a_commit_that_fails_tells_only_by_what(tracing: Tracing, sent: InMemorySpanExporter) -> None:
    with pytest.raises(RuntimeError), tracing.commit(held_job().facts):
        raise RuntimeError(SECRET)
    (told,) = sent.get_finished_spans()
    assert told.status.status_code is StatusCode.ERROR
    assert '"error.type": "RuntimeError"' in told.to_json()
    assert "hunter2" not in told.to_json()
