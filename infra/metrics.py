"""Prometheus metrics: what every process serves, and the parts that its own metrics are made of.

docs/observing.md lists every metric; a test compares the list with what the processes serve. Metrics that many jobs
touch are counted a batch at a time, and gauges are read when they are asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from infra.logs import get_logger
from infra.queues.transport import Queues
from infra.settings import Settings
from infra.settings_sources import variable_name
from infra.version import VERSION
from retinue.histogram import BOUNDS, BUCKETS, bucket_of

log = get_logger(__name__)


class Gauges(Collector):
    """Gauges read when they are asked for: each named with its meaning, all with the same labels."""

    def __init__(self, labels: dict[str, str]) -> None:
        self._labels = labels
        self._gauges: list[tuple[str, str, Callable[[], float]]] = []

    def add(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """One more; `read` must not block."""
        self._gauges.append((name, documentation, read))

    def collect(self) -> Iterator[Metric]:
        for name, documentation, read in self._gauges:
            family = GaugeMetricFamily(name, documentation, labels=list(self._labels))
            family.add_metric(list(self._labels.values()), read())
            yield family


class SecondsHistogram(Collector):
    """Durations by `retinue.histogram`'s bounds, observed many at a time."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        self._writing = threading.Lock()

    def observe(self, durations: Iterable[float], *values: str) -> None:
        """Count these under the labels' `values`."""
        with self._writing:
            counts = self._counts.setdefault(values, [0] * BUCKETS)
            total = 0.0
            for seconds in durations:
                counts[bucket_of(seconds)] += 1
                total += seconds
            self._sums[values] = self._sums.get(values, 0.0) + total

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        with self._writing:
            for values, counts in self._counts.items():
                family.add_metric(list(values), list(_cumulative(counts)), self._sums[values])
        yield family


def _cumulative(counts: Sequence[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip([*map(repr, BOUNDS), "+Inf"], counts, strict=True):
        total += count
        yield bound, total


class QueueCalls(Collector):
    """The requests that this process made to its transport; on SQS, what they cost at the list price."""

    def __init__(self, queues: Queues, settings: Settings) -> None:
        self._queues = queues
        self._transport = settings.transport
        self._dollars_per_million = settings.sqs_dollars_per_million

    def collect(self) -> Iterator[Metric]:
        calls = self._queues.calls
        made = CounterMetricFamily(
            "retinue_queue_calls", "Requests made to the queues.", labels=["transport", "action"]
        )
        for action, count in sorted(calls.items()):
            made.add_metric([self._transport, action], count)
        yield made
        cost = sum(calls.values()) * self._dollars_per_million / 1_000_000 if self._transport == "sqs" else 0.0
        yield CounterMetricFamily(
            "retinue_sqs_cost_dollars", "What requests to SQS cost at its list price.", value=cost
        )


class _Build(Collector):
    def __init__(self, process: str) -> None:
        self._about = {"version": VERSION, "process": process}

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("retinue_build", "What serves these metrics.", value=self._about)


def new_registry(process: str, settings: Settings, queues: Queues, *collectors: Collector) -> CollectorRegistry:
    """The metrics that every process has, and its own; `process` is `scheduler`, `servant` or `manager`."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for collector in (_Build(process), QueueCalls(queues, settings), *collectors):
        registry.register(collector)
    return registry


class MetricsServer:
    """Serves a registry at `/metrics`, in threads of its own."""

    def __init__(self, registry: CollectorRegistry, *, host: str, port: int) -> None:
        """Port 0 takes a free one. Raises OSError where the address cannot be listened on."""
        self._server: WSGIServer
        self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        self.port = self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(registry: CollectorRegistry, settings: Settings) -> MetricsServer | None:
    """Serve as the settings say. None where they say `off`, or where the address is taken: work matters more."""
    host, port = settings.metrics_host, settings.metrics_port
    if port == "off":
        return None
    try:
        return MetricsServer(registry, host=host, port=port)
    except OSError as error:
        log.warning("metrics_not_served", host=host, port=port, error=str(error), setting=variable_name("metrics_port"))
        return None
