"""No-op jobs a second: a backlog that was held, drained by two worker processes; and the same as bare SQL."""

from __future__ import annotations

from bench.bare_sql import bare_sql_rate
from bench.contestants import NOOP, Contestant, drain_for
from bench.figures import RETINUE, Figure, Options, Section
from bench.machine import machine
from bench.scenarios.ratios import of_best, times_best
from bench.side_by_side import Measured, side_by_side

WHAT = "no-op jobs, drained"
BARE = "bare SQL chain"
FLOOR = 11_000


def measure(options: Options) -> Section:
    """Every contestant's rate, and what four plain statements reach."""

    def once(contestant: Contestant) -> Measured:
        return {WHAT: drain_for(contestant, NOOP, options.seconds)}

    with machine() as host:
        bare = tuple(bare_sql_rate(host, batch=100, seconds=min(options.seconds, 4)) for _ in range(options.runs))
    readings = side_by_side(options, once)
    figures = [Figure(who=BARE, what=WHAT, unit="jobs/s", values=bare)]
    for who, values in readings.of(WHAT):
        figures.append(Figure(who=who, what=WHAT, unit="jobs/s", values=values, goal=FLOOR if who == RETINUE else None))
    figures += of_best(figures, WHAT, peers=(BARE,), goal=50)
    figures += of_best(figures, WHAT, peers=("PgQueuer",), goal=100)
    figures += times_best(figures, WHAT, peers=("on SQS",), goal=100)
    settings = {BARE: "four plain statements for a hundred jobs, a commit after each, 2 processes"} | readings.settings
    return Section(figures, settings, readings.missing)
