"""What a servant process tells Prometheus. Jobs are counted when their batch is settled, never one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from prometheus_client import Counter as Metric
from prometheus_client import Histogram
from prometheus_client.registry import Collector

from infra.metrics import SecondsHistogram
from retinue.states import JobState, Reason
from servants.runtime.performer import Performed

#: Outcomes written by one transaction: bounds of the histogram.
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class SettleMetrics:
    """Counts what was settled."""

    def __init__(self, job_type: str) -> None:
        self._type = job_type
        self._settled = Metric(
            "retinue_jobs_settled",
            "Attempts whose outcome was written, by what the job came to.",
            ["type", "state", "reason"],
            registry=None,
        )
        self._run = SecondsHistogram("retinue_job_run_seconds", "How long attempts ran.", ["type"])
        self._wait = SecondsHistogram("retinue_job_wait_seconds", "From when a job was due until its claim.", ["type"])
        self._batch = Histogram(
            "retinue_settle_batch_jobs",
            "Outcomes written by one transaction.",
            ["type"],
            buckets=BATCH_BOUNDS,
            registry=None,
        )

    @property
    def collectors(self) -> Sequence[Collector]:
        return (self._settled, self._run, self._wait, self._batch)

    def count(self, batch: Sequence[Performed]) -> None:
        """These have been written, or had completed in their own commits."""
        # Most have completed, and telling that by identity costs a tenth of hashing two enums.
        others = [s for s in [performed.settlement for performed in batch] if s and s.reason is not Reason.COMPLETE]
        came_to = Counter((settlement.state, settlement.reason) for settlement in others)
        came_to[JobState.COMPLETED, Reason.COMPLETE] = len(batch) - len(others)
        for (state, reason), jobs in came_to.items():
            self._settled.labels(self._type, state, reason).inc(jobs)
        started = [performed for performed in batch if performed.held.started_at is not None]
        self._run.observe([performed.run_seconds for performed in started], self._type)
        self._wait.observe([performed.held.facts.waited_seconds for performed in started], self._type)
        self._batch.labels(self._type).observe(len(batch))
