"""The parts that metrics are made of, and how a process serves them."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from infra.metrics import Gauges, QueueCalls, SecondsHistogram, serve_metrics
from infra.queues.memory import MemoryQueues
from infra.settings import Settings, load_settings
from retinue.errors import ConfigurationError
from retinue.outcomes import Completed, Fail
from retinue.settlement import completed, settle
from servants.runtime.metrics import SettleMetrics
from servants.runtime.performer import Performed
from tests.support.factories import LONGEST_WAIT
from tests.support.runtime import held_job
from tests.support.scraping import families, scrape, value


def registry_of(*collectors: Any) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry


def told(*collectors: Any) -> dict[str, Any]:
    return families(generate_latest(registry_of(*collectors)).decode())


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


def test_a_histogram_counts_what_is_no_longer_than_each_bound() -> None:
    histogram = SecondsHistogram("retinue_x_seconds", "What it is.", ["type"])
    histogram.observe([0.001, 0.3, 1e6], "a.b")
    histogram.observe([0.3], "a.b")
    family = told(histogram)["retinue_x_seconds"]
    counts = {
        bound: value(family, sample="retinue_x_seconds_bucket", le=bound) for bound in ("0.001", "0.5", "86400.0")
    }
    assert counts == {"0.001": 1, "0.5": 3, "86400.0": 3}
    assert value(family, sample="retinue_x_seconds_bucket", le="+Inf") == 4
    assert value(family, sample="retinue_x_seconds_count", type="a.b") == 4
    assert value(family, sample="retinue_x_seconds_sum", type="a.b") == pytest.approx(1_000_000.601)


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    gauges, seen = Gauges({"type": "a.b"}), [1.0]
    gauges.add("retinue_x", "What it is.", lambda: seen[-1])
    registry = registry_of(gauges)
    seen.append(7.0)
    assert b'retinue_x{type="a.b"} 7.0' in generate_latest(registry)


@pytest.mark.parametrize(("transport", "dollars"), [("sqs", 0.4 / 1e6), ("postgres", 0)])
def test_calls_cost_what_the_list_says(transport: str, dollars: float) -> None:
    queues = MemoryQueues()
    queues.ensure("a.b")
    for _ in range(5):
        queues.send("a.b", [[1]])
    found = told(QueueCalls(queues, settings(transport=transport)))
    calls = sum(queues.calls.values())
    assert calls >= 5
    assert sum(sample.value for sample in found["retinue_queue_calls"].samples) == calls
    assert value(found["retinue_sqs_cost_dollars"]) == pytest.approx(calls * dollars)


def performed(job: int, settlement: Any, *, started: bool = True, waited: float = 0.02) -> Performed:
    held = held_job(job)
    held.facts = held.facts._replace(waited_seconds=waited)
    held.started_at = 1.0 if started else None
    return Performed(held, settlement, 0.2)


def test_a_batch_is_counted_by_what_its_jobs_came_to() -> None:
    metrics = SettleMetrics("a.b")
    failed = settle(2, 1, Fail("no"), retry=LONGEST_WAIT, failures=0)
    metrics.count(
        [
            performed(1, completed(1, 1, Completed())),
            performed(2, failed),
            performed(3, None),
            performed(4, completed(4, 1, Completed()), started=False),
        ]
    )
    found = told(*metrics.collectors)
    settled = found["retinue_jobs_settled"]
    assert value(settled, sample="retinue_jobs_settled_total", state="completed", reason="complete") == 3
    assert value(settled, sample="retinue_jobs_settled_total", state="failed", reason="permanent") == 1
    assert value(found["retinue_job_run_seconds"], sample="retinue_job_run_seconds_count") == 3
    wait = found["retinue_job_wait_seconds"]
    assert value(wait, sample="retinue_job_wait_seconds_bucket", le="0.025") == 3
    assert value(found["retinue_settle_batch_jobs"], sample="retinue_settle_batch_jobs_sum") == 4


def test_a_free_port_is_taken() -> None:
    server = serve_metrics(registry_of(QueueCalls(MemoryQueues(), settings())), settings())
    assert server is not None
    try:
        assert "retinue_sqs_cost_dollars" in scrape(server.port)
    finally:
        server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_off_serves_nothing() -> None:
    assert serve_metrics(CollectorRegistry(), settings(metrics_port="off")) is None


def test_a_port_that_is_taken_does_not_stop_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert serve_metrics(CollectorRegistry(), settings(metrics_port=port)) is None


@pytest.mark.parametrize("port", ["-1", "65536", "none", "1.5"])
def test_what_is_no_port_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINUE_METRICS_PORT", port)
    with pytest.raises(ConfigurationError, match="must be a port from 0 to 65535, or off"):
        load_settings(env_file=None)
