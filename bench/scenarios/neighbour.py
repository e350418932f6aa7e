"""The noisy neighbour: one account's pickup while another has a million jobs due."""

from __future__ import annotations

import json
import statistics

from bench.contestants import NAP, RATE
from bench.figures import RETINUE, Figure, Options, Section
from bench.fleet import ECHO, scalar
from bench.machine import Machine, machine
from bench.retinue_side import PAYLOADS, Retinue, ring
from bench.rows import fill_jobs
from infra.postgres.holds import hold_lanes, release_holds
from retinue.holds import Hold, HoldKind

NOISY = 2
LANE = f"account:{NOISY}"
BACKLOG = 1_000_000

EMPTY, PAUSED = "on an empty system", "beside a million jobs of a paused account"
LIMITED = "beside a million jobs of an account limited to 1"
FREE = "beside a million jobs of an account without a limit"

#: Seconds of each trickle for each second that the options ask for.
STRETCH = 3

_UNDER_WAY = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
_LIMIT = "UPDATE lanes SET concurrency_limit = %s WHERE type = %s AND lane = %s"


def measure(options: Options) -> Section:
    """The empty system first; then the neighbour is paused, limited and let go, in turns."""
    waits: dict[str, list[list[float]]] = {EMPTY: [], PAUSED: [], LIMITED: [], FREE: []}
    jobs = max(round(STRETCH * RATE * options.seconds), 20)
    with machine() as host:
        retinue = Retinue(host)
        with retinue.up():
            waits[EMPTY] = [retinue.trickle(jobs) for _ in range(options.runs)]
            _hold(host)
            backlog = options.sized(BACKLOG, least=2000)
            fill_jobs(host, backlog, accounts=1, first=NOISY, payload=json.dumps(PAYLOADS[NAP]))
            # What follows a bulk load by itself is not the neighbour's doing.
            host.connection().execute("VACUUM jobs")
            for _ in range(options.runs):
                _wait_until_idle(host)
                waits[PAUSED].append(retinue.trickle(jobs))
                _let_go(host, limit=1)
                waits[LIMITED].append(retinue.trickle(jobs))
                _let_go(host, limit=None)
                waits[FREE].append(retinue.trickle(jobs))
                _hold(host)
    return Section(_figures(waits))


def _figures(waits: dict[str, list[list[float]]]) -> list[Figure]:
    """Goals are against the empty system of the same run."""
    empty = statistics.median(_p99(run) for run in waits[EMPTY])
    figures = []
    for what, runs in waits.items():
        values = tuple(_p99(run) for run in runs)
        goal = None if what == EMPTY else 1.5 * empty
        figures.append(
            Figure(who=RETINUE, what=f"pickup p99 {what}", unit="ms", values=values, goal=goal, better="less")
        )
    return figures


def _p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100)[98]


def _hold(host: Machine) -> None:
    connection = host.connection()
    with connection.transaction():
        hold_lanes(connection, [((ECHO, LANE), Hold(HoldKind.PAUSE, "", None, "bench"))])


def _wait_until_idle(host: Machine) -> None:
    """Until the paused neighbour's last jobs have ended."""
    host.wait_for(lambda: scalar(host, _UNDER_WAY) == 0, "the neighbour's last jobs")


def _let_go(host: Machine, *, limit: int | None) -> None:
    connection = host.connection()
    with connection.transaction():
        release_holds(connection, [HoldKind.PAUSE], lane=LANE, type=ECHO)
        connection.execute(_LIMIT, (limit, ECHO, LANE))
    ring(host)
