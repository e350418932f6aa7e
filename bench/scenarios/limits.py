"""Limits and weights on against off: a lane limit, a type limit and a weight for each of twenty accounts.

The limits are wide enough to bind nothing for long: what is measured is the cost of keeping them.
"""

from __future__ import annotations

from bench.contestants import NOOP, drain
from bench.figures import RETINUE, Figure, Options, Section
from bench.fleet import ECHO
from bench.machine import Machine, machine
from bench.retinue_side import Retinue

ON, OFF, SHARE = "drained with limits and weights", "drained without", "limits and weights on against off"

ACCOUNTS = 20
LANE_LIMIT = 500
TYPE_LIMIT = 5000

#: Jobs of each drain for each second that the options ask for.
JOBS = 8000

_TYPE = "UPDATE job_types SET type_limit = %s WHERE type = %s"
_LANES = """
UPDATE lanes SET concurrency_limit = %s, weight = CASE WHEN %s THEN 1 + (hashtext(lane) & 3) ELSE 1 END WHERE type = %s
"""


def measure(options: Options) -> Section:
    """On and off in turns, on the same processes."""
    rates: dict[str, list[float]] = {ON: [], OFF: []}
    with machine() as host:
        retinue = Retinue(host, accounts=ACCOUNTS)
        with retinue.up():
            for _ in range(options.runs):
                for what in (OFF, ON):
                    set_limits(host, on=what == ON)
                    rates[what].append(drain(retinue, NOOP, round(JOBS * options.seconds)))
    figures = [Figure(who=RETINUE, what=what, unit="jobs/s", values=tuple(values)) for what, values in rates.items()]
    share = 100 * figures[0].median / figures[1].median
    return Section([*figures, Figure(who=RETINUE, what=SHARE, unit="%", values=(share,), goal=85)])


def set_limits(host: Machine, *, on: bool) -> None:
    """A limit for the type and for each lane it has, and weights between 1 and 4; or none of them."""
    connection = host.connection()
    connection.execute(_TYPE, (TYPE_LIMIT if on else None, ECHO))
    connection.execute(_LANES, (LANE_LIMIT if on else None, on, ECHO))
