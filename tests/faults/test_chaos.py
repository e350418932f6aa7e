"""Everything goes wrong at once, by a script drawn from a seed; then the database tells whether every rule held."""

from __future__ import annotations

import os
import random

import psycopg
import pytest

from tests.support.chaos import Player, draw_script
from tests.support.chaos_fleet import PROGRAMS, ChaosFleet, chaos_fleet
from tests.support.chaos_work import Client
from tests.support.invariants import broken_rules, leftovers

#: The seeds of the whole proof, and the one that every run of the tests plays.
SEEDS = range(1, 21)
FIXED_SEED = 1

#: After the last mend some attempt begins or some job ends at least this often until all is done, in seconds.
STALLED_SECONDS = 45

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount the small disk that fills up")


@needs_root
@pytest.mark.timeout(300)
def test_a_short_chaos() -> None:
    play(FIXED_SEED, faults=6, seconds=5)


@needs_root
@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [int(os.environ["SEED"])] if os.environ.get("SEED") else SEEDS)
def test_chaos(seed: int) -> None:
    play(seed)


def play(seed: int, **length: float) -> None:
    script = draw_script(seed, list(PROGRAMS), **length)  # type: ignore[arg-type] # whole numbers where they belong
    told = "\n".join([f"seed {seed}:", *map(str, script)])
    with chaos_fleet() as fleet:
        client = Client(fleet, random.Random(seed))  # noqa: S311 - a seed that repeats is the purpose
        try:
            Player(fleet, client).play(script)
            client.hang_up()
            fleet.wait(client.resume_all, "the database to answer after the faults")
            drain(fleet)
        except AssertionError as error:
            with psycopg.connect(fleet.machine.url, autocommit=True) as sql:
                raise AssertionError(f"{error}\n{leftovers(sql)}\n{told}") from error
        with psycopg.connect(fleet.machine.url, autocommit=True) as sql:
            broken = broken_rules(sql)
            assert broken == [], "\n".join([*broken, told])
            tell(sql, seed)


def drain(fleet: ChaosFleet) -> None:
    """Let everything come to its end; it may take long on a busy machine, but it must go on."""
    while not came_to_its_end(fleet):
        before = progress(fleet)
        fleet.wait(
            lambda before=before: came_to_its_end(fleet) or progress(fleet) != before,  # type: ignore[misc] # a lambda's default keeps this turn's value
            "anything to go on after the faults",
            seconds=STALLED_SECONDS,
        )


def came_to_its_end(fleet: ChaosFleet) -> bool:
    """Whether no job and no note to a lane is left."""
    fleet.revive_all()
    return fleet.drained() and fleet.number("SELECT count(*) FROM lane_wakes WHERE due_at IS NOT NULL") == 0


def progress(fleet: ChaosFleet) -> list[tuple[object, ...]]:
    """What changes with everything that a job does but waiting and being lost."""
    return fleet.rows("SELECT count(*), sum(attempt) FROM jobs")


def tell(sql: psycopg.Connection, seed: int) -> None:
    """The run's figures."""
    states = sql.execute("SELECT state, count(*) FROM job_history GROUP BY state ORDER BY state").fetchall()
    events = sql.execute("SELECT reason, count(*) FROM job_events GROUP BY reason ORDER BY reason").fetchall()
    print(f"seed {seed}: every rule held; {dict(states)}; on the way {dict(events)}")  # noqa: T201 - what a proof is run for
