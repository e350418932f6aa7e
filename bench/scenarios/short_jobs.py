"""Jobs of 10 ms: threads sleep, coroutines await."""

from __future__ import annotations

from bench.contestants import NAP, Contestant, drain_for
from bench.figures import RETINUE, Figure, Options, Section
from bench.retinue_side import COROUTINES, COROUTINES_ON_POSTGRES
from bench.scenarios.ratios import of_best
from bench.side_by_side import Measured, side_by_side

WHAT = "10 ms jobs, drained"

#: 2 servants × 16 threads, each at most a hundred such jobs a second.
SLOTS_RATE = 2 * 16 * 100


def measure(options: Options) -> Section:
    """Every contestant's rate."""

    def once(contestant: Contestant) -> Measured:
        return {WHAT: drain_for(contestant, NAP, options.seconds)}

    readings = side_by_side(options, once)
    figures = [
        Figure(who=who, what=WHAT, unit="jobs/s", values=values, goal=0.9 * SLOTS_RATE if who == RETINUE else None)
        for who, values in readings.of(WHAT)
    ]
    for form in (COROUTINES, COROUTINES_ON_POSTGRES):
        figures += of_best(figures, WHAT, peers=("PgQueuer",), goal=80, who=form.name)
    return Section(figures, readings.settings, readings.missing)
