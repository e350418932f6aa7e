"""The tables of docs/performance.md, written between its markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.chart import draw
from bench.contestants import RATE
from bench.figures import RETINUE, Figure, median_of
from bench.results import Answer, Results
from bench.scenarios import enqueueing, latency, short_jobs, throughput

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
CHART = "performance.svg"

#: What the table of contestants shows, by its heading.
COLUMNS = {
    "no-op jobs/s": throughput.WHAT,
    "10 ms jobs/s": short_jobs.WHAT,
    "enqueued one by one, per s": enqueueing.SINGLE,
    "in bulk, per s": enqueueing.BULK,
    f"pickup at {RATE}/s, p50 ms": latency.P50,
    "p99 ms": latency.P99,
    "memory MiB": latency.MEMORY,
}


def write_report(results: Results, page: Path) -> None:
    """Put the tables into the page and the chart beside it."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{markdown(results)}{END}{after}")
    (page.parent / CHART).write_text(draw(results.figures()))


def markdown(results: Results) -> str:
    """The machine, the contestants, the goals, and who was not measured."""
    parts = [_machine(results), _contestants(results), f"![The same as a chart]({CHART})\n", _settings(results)]
    parts += [_goals(results), _runs(results), _missing(results)]
    return "\n".join(part for part in parts if part)


def number(value: float) -> str:
    """Three digits or so, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def _machine(results: Results) -> str:
    answers = list(results.answers.values())
    dates = sorted({answer.date for answer in answers})
    facts = answers[-1].machine
    kept = ", ".join(f"{name} {facts[name]}" for name in ("Python", "PostgreSQL", "Redis", "Node.js", "moto"))
    return (
        f"{' to '.join(sorted({dates[0], dates[-1]}))}, {facts['cores']} cores ({facts['processor']}), "
        f"{facts['memory']}; {kept}. PostgreSQL with `fsync` and `synchronous_commit` on, Redis with its default "
        "settings (snapshots, no append-only file), everything on one machine. Medians.\n"
    )


def _contestants(results: Results) -> str:
    figures = results.figures()
    settings = results.settings()
    rows = [_row(["", *COLUMNS]), _row(["---"] * (1 + len(COLUMNS)))]
    for who in settings:
        medians = (median_of(figures, who=who, what=what) for what in COLUMNS.values())
        name = f"**{who}**" if who.startswith(RETINUE) else who
        rows.append(_row([name, *("–" if median is None else number(median) for median in medians)]))
    return "\n".join(rows) + "\n"


def _settings(results: Results) -> str:
    versions = next(reversed(results.answers.values())).machine
    lines = [f"- {who}{_version(who, versions)}: {setting}" for who, setting in results.settings().items()]
    return "Two worker processes each:\n\n" + "\n".join(lines) + "\n"


def _version(who: str, versions: dict[str, str]) -> str:
    library = who.split(",", maxsplit=1)[0].split(" ", maxsplit=1)[0].lower()
    return f" {versions[library]}" if library in versions else ""


def _goals(results: Results) -> str:
    rows = [_row(["what", "measured", "lowest – highest", "goal", ""]), _row(["---"] * 5)]
    rows += [_goal(figure) for figure in results.figures() if figure.who.startswith(RETINUE) and _telling(figure)]
    return "\n".join(rows) + "\n"


def _telling(figure: Figure) -> bool:
    return figure.goal is not None or figure.what not in COLUMNS.values()


def _goal(figure: Figure) -> str:
    unit = figure.unit
    what = figure.what if figure.who == RETINUE else f"{figure.what} ({figure.who})"
    spread = f"{number(min(figure.values))} – {number(max(figure.values))}" if len(figure.values) > 1 else ""
    if figure.goal is None:
        return _row([what, f"{number(figure.median)} {unit}", spread, "", ""])
    bound = "at least" if figure.better == "more" else "at most"
    verdict = "met" if figure.met else "**missed**"
    return _row([what, f"{number(figure.median)} {unit}", spread, f"{bound} {number(figure.goal)} {unit}", verdict])


def _runs(results: Results) -> str:
    told = [f"{name} ({_run(answer)})" for name, answer in results.answers.items()]
    return f"Scenarios: {', '.join(told)}.\n"


def _run(answer: Answer) -> str:
    runs = "1 run" if answer.runs == 1 else f"{answer.runs} runs"
    size = "" if answer.scale == 1 else f", {answer.scale:g} of the full size"
    return f"{runs} of {answer.seconds:g} s{size}"


def _missing(results: Results) -> str:
    lines = [f"- {who}: {why}" for who, why in results.missing().items()]
    return "Not measured:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
