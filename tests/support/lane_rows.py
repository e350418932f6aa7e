"""Lanes with work, as rows: waiting, full, held for every reason, for tests of the manager."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from infra.postgres.holds import hold_lanes
from infra.postgres.lanes import set_lane
from retinue.holds import Hold, HoldKind
from tests.support.factories import add_jobs, add_servant, run_jobs
from tests.support.lanes import fold
from tests.support.overview_rows import add_account

TYPE = "crm.sync"


@dataclass(frozen=True)
class Lanes:
    """Lanes by what is the matter with them."""

    busy: str
    held: str
    paused: str


def add_lanes(sql: psycopg.Connection) -> Lanes:
    """One type with a limit for each lane."""
    servant = add_servant(sql, TYPE, slots=8, lane_limit=3)
    acme, bolt, oda = (add_account(sql, name) for name in ("Acme Freight", "Bolt Insurance", "Oda Clinics"))
    busy, held, paused = f"account:{acme}", f"account:{bolt}", f"account:{oda}"
    run_jobs(sql, 3, job_type=TYPE, lane=busy, servant_id=servant)
    for lane, count in {busy: 40, held: 1200, paused: 7, "nightly": 2}.items():
        add_jobs(sql, count, job_type=TYPE, lane=lane)
    set_lane(sql, TYPE, busy, weight=2, limit=3, keep_limit=False)
    revoked = Hold(HoldKind.INCIDENT, "connection:9", None, "the credential was revoked")
    hold_lanes(sql, [((TYPE, held), revoked), ((TYPE, paused), Hold(HoldKind.PAUSE, "", None, "the customer asked"))])
    fold(sql)
    return Lanes(busy, held, paused)
