"""What a scheduler tells Prometheus of the work in the database.

That is the same whichever scheduler is asked. It is read at most once in a while, counted no further than a cap, and
names no more than a few lanes and connections.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from infra.logs import get_logger
from infra.postgres.connect import Database, DatabaseUnreachable
from infra.postgres.overview import COUNT_CAP, unfinished_by_type
from retinue.budget import BUCKETS
from retinue.states import JobState

#: The lanes that have a gauge of their own: those that wait longest, of the first in line of each type.
NAMED_LANES = 10
LOOKED_AT_LANES = 1000

#: Budgets that have a gauge of their own: those used most, above this share.
NAMED_BUDGETS = 20
BUDGET_SHARE = 0.5

#: How long what was read from the database is served, in seconds.
FRESH_SECONDS = 15.0

log = get_logger(__name__)


class WorkMetrics(Collector):
    """How the work stands. Where the database does not answer, nothing but that is told."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_at = float("-inf")
        self._families: list[Metric] = []
        self._reading = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        with self._reading:
            if time.monotonic() - self._read_at >= FRESH_SECONDS:
                self._families = self._read_safely()
                self._read_at = time.monotonic()
            families = self._families
        yield from families

    def _read_safely(self) -> list[Metric]:
        try:
            families = [self._jobs(), self._lanes(), self._waiting_lanes(), self._budgets(), self._troubles()]
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("work_not_read", error=str(error))
            families = []
        up = GaugeMetricFamily("retinue_database_up", "Whether the database answered.", value=float(bool(families)))
        return [up, *families]

    def _jobs(self) -> Metric:
        family = GaugeMetricFamily(
            "retinue_jobs",
            f"Unfinished jobs; of those in flight, {COUNT_CAP} of a type and state at most.",
            labels=["type", "state"],
        )
        with self._database.transaction() as connection:
            found = unfinished_by_type(connection)
        for job_type, (_, _, figures) in found.items():
            for state, jobs in figures.items():
                family.add_metric([job_type, state], jobs if state is JobState.PENDING else min(jobs, COUNT_CAP))
        return family

    def _lanes(self) -> Metric:
        family = GaugeMetricFamily(
            "retinue_lanes",
            f"Lanes that may start work, that something holds back, and that are at their limit, up to {COUNT_CAP}.",
            labels=["type", "condition"],
        )
        for job_type, *counts in self._database.fetch("count_lanes", {"count_limit": COUNT_CAP}):
            for condition, lanes in zip(("ready", "held", "full"), counts, strict=True):
                family.add_metric([job_type, condition], lanes)
        return family

    def _waiting_lanes(self) -> Metric:
        family = GaugeMetricFamily(
            "retinue_lane_waits_seconds",
            f"Since when the first job is due of the {NAMED_LANES} lanes that wait longest.",
            labels=["type", "lane"],
        )
        params = {"looked_at": LOOKED_AT_LANES, "limit": NAMED_LANES}
        for job_type, lane, seconds in self._database.fetch("list_latest_lanes", params):
            family.add_metric([job_type, lane], seconds)
        return family

    def _budgets(self) -> Metric:
        family = GaugeMetricFamily(
            "retinue_budget_used_ratio",
            f"How much of a connection's budget is spent or lent: the {NAMED_BUDGETS} highest above {BUDGET_SHARE}.",
            labels=["connection", "window"],
        )
        params = {"buckets": BUCKETS, "share": BUDGET_SHARE, "limit": NAMED_BUDGETS}
        for connection_id, window, share in self._database.fetch("list_used_budgets", params):
            family.add_metric([str(connection_id), "concurrent" if window == 0 else f"{window}s"], share)
        return family

    def _troubles(self) -> Metric:
        family = GaugeMetricFamily(
            "retinue_troubles", "Breakers that are not closed, incidents and anomalies that are open.", labels=["kind"]
        )
        for kind, count in self._database.fetch("count_troubles"):
            family.add_metric([kind], count)
        return family
