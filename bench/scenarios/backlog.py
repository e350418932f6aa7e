"""Ten thousand jobs out of a backlog of ten million, against ten thousand out of ten thousand."""

from __future__ import annotations

import time

from bench.figures import RETINUE, Figure, Options, Section
from bench.fleet import ECHO, scalar
from bench.machine import Machine, machine
from bench.retinue_side import Retinue, ring
from bench.rows import fill_jobs

SMALL, LARGE, SHARE = "drained out of 10 thousand", "drained out of 10 million", "10 million against 10 thousand"

JOBS = 10_000
BACKLOG = 10_000_000
ACCOUNTS = 1000

#: Drains of ten thousand for each run that the options ask for: each takes a second or less.
REPEATS = 3

_IN_FLIGHT = "SELECT count(*) FROM jobs WHERE type = %s AND state IN ('queued', 'running')"


def measure(options: Options) -> Section:
    """First the small backlog, then the large one, on the same processes."""
    repeats = REPEATS * options.runs
    with machine() as host:
        retinue = Retinue(host)
        with retinue.up():
            small = tuple(_small(host, retinue) for _ in range(repeats))
            retinue.hold()
            fill_jobs(host, options.sized(BACKLOG, least=JOBS * (repeats + 2)), accounts=ACCOUNTS)
            _settle(host)
            large = tuple(_ten_thousand(host, retinue) for _ in range(repeats))
            retinue.hold()
    rates = ((SMALL, small), (LARGE, large))
    figures = [Figure(who=RETINUE, what=what, unit="jobs/s", values=values) for what, values in rates]
    share = 100 * figures[1].median / figures[0].median
    return Section([*figures, Figure(who=RETINUE, what=SHARE, unit="%", values=(share,), goal=90)])


def _settle(host: Machine) -> None:
    """Do now what the database would do about millions of new rows while the next ten thousand are drained."""
    connection = host.connection()
    connection.execute("VACUUM ANALYZE jobs")
    connection.execute("CHECKPOINT")


def _small(host: Machine, retinue: Retinue) -> float:
    retinue.hold()
    fill_jobs(host, JOBS, accounts=ACCOUNTS)
    return _ten_thousand(host, retinue)


def _ten_thousand(host: Machine, retinue: Retinue) -> float:
    """Jobs a second from the release until ten thousand are finished; then hold, until nothing is in flight."""
    ring(host)
    goal = retinue.finished() + JOBS
    began = time.perf_counter()
    retinue.release()
    retinue.wait_for(lambda: retinue.finished() >= goal, "ten thousand jobs", 300)
    rate = JOBS / (time.perf_counter() - began)
    retinue.hold()
    retinue.wait_for(lambda: scalar(host, _IN_FLIGHT, ECHO) == 0, "those in flight", 120)
    return rate
