"""Measure Retinue and its peers side by side in one session, against the numbers that Retinue holds itself to.

Without scenarios, all of them are measured and docs/performance.md is written; with some, their part of the results
file is replaced, and --report writes the page from what is there.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from bench.figures import Options, Section
from bench.report import number, write_report
from bench.results import Answer, Results
from bench.scenarios import (
    backlog,
    calls,
    enqueueing,
    first_job,
    footprint,
    latency,
    limits,
    neighbour,
    retention,
    schedules,
    short_jobs,
    throughput,
)
from infra.settings import load_settings

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

SCENARIOS: dict[str, Callable[[Options], Section]] = {
    "throughput": throughput.measure,
    "short-jobs": short_jobs.measure,
    "latency": latency.measure,
    "enqueueing": enqueueing.measure,
    "sqs-calls": calls.measure,
    "backlog": backlog.measure,
    "neighbour": neighbour.measure,
    "limits": limits.measure,
    "schedules": schedules.measure,
    "retention": retention.measure,
    "footprint": footprint.measure,
    "first-job": first_job.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, show, keep, and write the page when asked."""
    chosen = _parser().parse_args(arguments)
    options = Options(
        runs=chosen.runs,
        seconds=chosen.seconds,
        scale=chosen.scale,
        peers=None if chosen.peers is None else tuple(name for name in chosen.peers.split(",") if name),
        home=load_settings().data_dir.resolve() / "bench",
    )
    results = Results.read(options.home)
    names = [] if chosen.report else chosen.scenarios or list(SCENARIOS)
    failed = [name for name in names if not _kept(name, options, results)]
    if chosen.report or not chosen.scenarios:
        write_report(results, PAGE)
        print(f"written: {PAGE}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _kept(name: str, options: Options, results: Results) -> bool:
    """Measure and write down one scenario; what goes wrong in one does not cost the others."""
    try:
        results.answers[name] = measure(name, options)
    except (RuntimeError, OSError, psycopg.Error) as error:
        print(f"{name} failed: {error}", file=sys.stderr)
        return False
    results.write(options.home)
    return True


def measure(name: str, options: Options) -> Answer:
    """Run one scenario and show what it measured."""
    console = Console() if sys.stdout.isatty() else Console(width=130)
    console.print(f"[bold]{name}[/]")
    began = time.monotonic()
    answer = Answer.of(SCENARIOS[name](options), options, began=began)
    console.print(_table(answer.section))
    for who, why in answer.section.missing.items():
        console.print(f"not measured: {who}: {why}", highlight=False)
    console.print(f"[dim]{name} took {answer.took_seconds:.0f} s[/]")
    return answer


def _table(section: Section) -> Table:
    table = Table("who", "what", "median", "lowest", "highest", "goal", "")
    for figure in section.figures:
        values = [number(value) for value in (figure.median, min(figure.values), max(figure.values))]
        goal = "" if figure.goal is None else number(figure.goal)
        verdict = {None: "", True: "met", False: "missed"}[figure.met]
        table.add_row(figure.who, figure.what, f"{values[0]} {figure.unit}", *values[1:], goal, verdict)
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], help="all of them when none is named")
    parser.add_argument("--runs", type=int, default=3, help="of each measurement; the median counts")
    parser.add_argument("--seconds", type=float, default=5, help="that each drain should take")
    parser.add_argument("--scale", type=float, default=1, help="of the sizes of the large scenarios, such as 0.001")
    parser.add_argument("--peers", help="parts of peers' names, by commas; '' measures Retinue alone")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the page from the results file")
    return parser


if __name__ == "__main__":
    # What was started is ended then, too.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(143))
    main()
