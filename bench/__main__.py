"""`python -m bench`: every scenario, its figure and its target, in one run."""

from __future__ import annotations

import argparse
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from bench.bare_sql import bare_sql_rate
from bench.first_job import seconds_to_first_job
from bench.footprint import busy_memory, idle
from bench.latency import pickup_latency, single_enqueue
from bench.machine import machine
from bench.throughput import throughput

#: A run of SQS costs this much per request, us-east-1, standard queue (Amazon SQS pricing).
DOLLARS_PER_REQUEST = 0.40 / 1_000_000


@dataclass(frozen=True)
class Figure:
    """One line of the report."""

    what: str
    measured: str
    target: str


def measure_throughput(runs: int) -> list[Figure]:
    with machine() as host:
        bare = statistics.median(bare_sql_rate(host, batch=100) for _ in range(runs))
        results = [throughput(host, jobs=40_000) for _ in range(runs)]
    drained = statistics.median(result.drained for result in results)
    calls = statistics.median(result.calls for result in results)
    dollars = calls * 1000 * DOLLARS_PER_REQUEST
    return [
        Figure("bare SQL chain, batch 100, 2 processes", f"{bare:,.0f} jobs/s", "the limit"),
        Figure(
            "no-op jobs, backlog drained, 2 servants", f"{drained:,.0f} jobs/s", "11,000, or 50 % of the bare chain"
        ),
        Figure("  of the bare chain", f"{100 * drained / bare:.0f} %", "50 %"),
        Figure("bulk enqueue", f"{statistics.median(r.enqueued for r in results):,.0f} jobs/s", "50,000"),
        Figure("SQS calls per 1,000 short jobs", f"{calls:.1f}", "30"),
        Figure("SQS money per million jobs", f"${dollars:.4f}", "$0.02"),
    ]


def measure_latency(runs: int) -> list[Figure]:
    with machine() as host:
        results = [pickup_latency(host, jobs=300) for _ in range(runs)]
        single = single_enqueue(host, commits=500)
    p50, p99 = (statistics.median(getattr(result, name) for result in results) for name in ("p50", "p99"))
    added = single.enqueueing - single.plain
    return [
        Figure("pickup at 20 jobs/s, p50", f"{p50:.1f} ms", "12 ms"),
        Figure("pickup at 20 jobs/s, p99", f"{p99:.1f} ms", "25 ms"),
        Figure("single enqueue adds to its commit", f"{added:.2f} ms (on {single.plain:.2f})", "0.5 ms"),
    ]


def measure_footprint(_runs: int) -> list[Figure]:
    with machine() as host:
        resting = idle(host, seconds=60)
        busy = busy_memory(host)
    memory = [
        Figure(f"memory idle, {name}", f"{pss:.0f} MiB", _memory_target(name)) for name, pss in resting.memory.items()
    ]
    return [
        Figure("idle CPU, scheduler + 4 servants + manager", f"{resting.cpu:.2f} % of a core", "2 %"),
        Figure("SQS calls a minute per idle servant", f"{resting.calls:.1f}", "3"),
        *memory,
        Figure("memory, servant with 16 busy slots", f"{busy:.0f} MiB", "120 MB"),
    ]


def measure_first_job(runs: int) -> list[Figure]:
    seconds = statistics.median(seconds_to_first_job() for _ in range(runs))
    return [Figure("retinue up to the first job completed", f"{seconds:.1f} s", "10 s")]


SCENARIOS: dict[str, Callable[[int], list[Figure]]] = {
    "throughput": measure_throughput,
    "latency": measure_latency,
    "footprint": measure_footprint,
    "first-job": measure_first_job,
}


def main() -> None:
    """Run the scenarios and print what they measured beside what is asked."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], help="all of them when none is named")
    parser.add_argument("--runs", type=int, default=3, help="runs of each scenario; the median counts")
    options = parser.parse_args()
    console = Console()
    console.print(
        f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, durable settings"
    )
    for name in options.scenarios or SCENARIOS:
        table = Table("what", "measured", "target", title=name, title_justify="left", min_width=90)
        for figure in SCENARIOS[name](options.runs):
            table.add_row(figure.what, figure.measured, figure.target)
        console.print(table)


def _memory_target(name: str) -> str:
    return "80 MB" if name.startswith("servant") else "–"


if __name__ == "__main__":
    main()
