"""Pickup at 20 jobs a second, from the call that enqueues to the job's first line; and the memory of it all."""

from __future__ import annotations

import statistics

from bench.contestants import RATE, Contestant
from bench.figures import RETINUE, Figure, Options, Section
from bench.retinue_side import ON_POSTGRES
from bench.side_by_side import Measured, side_by_side

P50, P99, MEMORY = "pickup at 20 jobs/s, p50", "pickup at 20 jobs/s, p99", "memory of all its processes"
GOALS = {
    (RETINUE, P50): 12.0,
    (RETINUE, P99): 25.0,
    (ON_POSTGRES.name, P50): 4.0,
    (ON_POSTGRES.name, P99): 8.0,
}
UNITS = {P50: "ms", P99: "ms", MEMORY: "MiB"}

#: Seconds of the trickle for each second that the options ask for: a p99 needs some hundred jobs.
STRETCH = 3


def measure(options: Options) -> Section:
    """Every contestant's quantiles and memory; a fresh machine's caches are warm by then."""

    def once(contestant: Contestant) -> Measured:
        waits = contestant.trickle(max(round(RATE * STRETCH * options.seconds), 20))
        cuts = statistics.quantiles(waits, n=100)
        return {P50: cuts[49], P99: cuts[98], MEMORY: contestant.memory()}

    readings = side_by_side(options, once)
    figures = [
        Figure(
            who=who,
            what=what,
            unit=unit,
            values=values,
            goal=GOALS.get((who, what)),
            better="less",
        )
        for what, unit in UNITS.items()
        for who, values in readings.of(what)
    ]
    return Section(figures, readings.settings, readings.missing)
