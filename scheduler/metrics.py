"""What a scheduler tells Prometheus of its passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from infra.loop import LoopRunner, PassResult
from infra.metrics import SecondsHistogram

_PASSES = (
    ("retinue_pass_runs", "Runs of each pass."),
    ("retinue_pass_errors", "Runs that raised."),
    ("retinue_pass_items", "What the passes did: jobs sent, schedules fired, jobs rescued, partitions made."),
)

_DONE_BY = (
    ("retinue_jobs_dispatched", "Jobs that this scheduler sent to their queues.", "dispatch"),
    ("retinue_jobs_rescued", "Jobs that this scheduler took back from dead servants and lost messages.", "rescue"),
)


class PassMetrics(Collector):
    """Counts and times the passes."""

    def __init__(self) -> None:
        self._seconds = SecondsHistogram("retinue_pass_seconds", "How long the passes take.", ["pass"])
        self.loops: Mapping[str, LoopRunner] = {}

    def timed(self, name: str, run_once: Callable[[], PassResult]) -> Callable[[], PassResult]:
        """The pass, its time taken; a run that raises is left out."""

        def run() -> PassResult:
            began = time.perf_counter()
            result = run_once()
            self._seconds.observe([time.perf_counter() - began], name)
            return result

        return run

    def collect(self) -> Iterator[Metric]:
        stats = {name: loop.stats for name, loop in self.loops.items()}
        figures = [(each.runs, each.errors, each.done) for each in stats.values()]
        for n, (metric, documentation) in enumerate(_PASSES):
            family = CounterMetricFamily(metric, documentation, labels=["pass"])
            for name, numbers in zip(stats, figures, strict=True):
                family.add_metric([name], numbers[n])
            yield family
        for metric, documentation, name in _DONE_BY:
            yield CounterMetricFamily(metric, documentation, value=stats[name].done if name in stats else 0)
        yield from self._seconds.collect()
