"""Real servants of a connection to an org, which are killed by SIGKILL again and again while the org changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg

from infra.postgres.accounts import add_account
from infra.postgres.connections import NewConnection
from infra.postgres.salesforce_connections import FORMULAS_TYPE, RECONCILE_TYPE, SYNC_TYPE
from infra.postgres.scheduled_connections import add_scheduled_connection
from infra.postgres.schedules import pause_schedule
from retinue.testing import RetinueDatabase
from tests.support.fleet import Fleet
from tests.support.nursery import Nursery, nursery
from tests.support.salesforce_customer import OrgCustomer, settings_of
from tests.support.sandbox_org import SandboxOrg
from tests.support.small_pages import Reading

SERVANTS = {
    "sync-0": SYNC_TYPE,
    "sync-1": SYNC_TYPE,
    "history-0": "salesforce.backfill",
    "history-1": "salesforce.backfill",
    "comparison-0": RECONCILE_TYPE,
    "formulas-0": FORMULAS_TYPE,
}

#: Shorter than most runs last, so that there is nearly always one under way.
EVERY = {SYNC_TYPE: timedelta(seconds=1), RECONCILE_TYPE: timedelta(seconds=8), FORMULAS_TYPE: timedelta(seconds=6)}

#: How long its jobs may take beside other work, in seconds: only what hangs takes longer.
PATIENCE = 300

#: Jobs at work. One whose servants died twice is left in peace: the next time it would be given up as poison.
_BUSY = """
    SELECT DISTINCT servants.pid FROM jobs JOIN servants ON servants.id = jobs.servant_id
    WHERE jobs.state = 'running' AND jobs.account_id = %s AND jobs.deaths < 2
"""

_UNFINISHED = "SELECT count(*) FROM jobs WHERE account_id = %s"

_LEFT = "SELECT count(*) FROM jobs WHERE id = %s"

_ENDED = "SELECT state::text, result, error FROM job_history WHERE id = %s"


@dataclass
class OrgFleet:
    """One connection, and the processes that work on it."""

    fleet: Fleet
    home: Nursery
    customer: OrgCustomer
    account_id: int
    schedules: dict[str, int]
    draw: random.Random
    kills: int = 0

    def kill_one_at_work(self) -> None:
        """Kill a servant that has a job, if any has, and start another."""
        pids = {row[0] for row in self.fleet.rows(_BUSY, self.account_id)}
        busy = [name for name, pid in self.home.pids.items() if pid in pids]
        if busy:
            name = self.draw.choice(busy)
            self.home.kill(name)
            self.kills += 1
            self.home.start_servant(name, SERVANTS[name])

    def come_to_rest(self) -> None:
        """Let what was begun come to its end, and begin nothing anew."""
        for schedule_id in self.schedules.values():
            pause_schedule(self.customer.database.sql, schedule_id)
        self.fleet.wait(lambda: not self.fleet.number(_UNFINISHED, self.account_id), "the end of its jobs", PATIENCE)

    def run(self, job_type: str, **payload: Any) -> dict[str, Any]:
        """One job from beginning to end; its result."""
        whole = {"connection_id": self.customer.connection_id, **payload}
        (job_id,) = self.fleet.enqueue(whole, job_type=job_type, account_id=self.account_id)
        self.fleet.wait(lambda: not self.fleet.number(_LEFT, job_id), job_type, PATIENCE)
        ((state, result, error),) = self.fleet.rows(_ENDED, job_id)
        assert state == "completed", error
        assert isinstance(result, dict)
        return result


@contextmanager
def org_fleet(
    fleet: Fleet, org: SandboxOrg, names: tuple[str, ...], *, draw: random.Random, reading: Reading
) -> Iterator[OrgFleet]:
    """A new account with a connection to the org, and servants that sync it all the time."""
    account_id, connection_id, schedules = _connected(fleet, org, names, number=draw.randrange(10**9))
    database = RetinueDatabase(fleet.machine.url)
    program = ("tests.support.small_pages", *map(str, reading))
    try:
        with nursery(fleet.machine.environment, fleet.machine.directory / "servants.log", program=program) as home:
            for name, job_type in SERVANTS.items():
                home.start_servant(name, job_type)
            customer = OrgCustomer(database, org, connection_id)
            yield OrgFleet(fleet, home, customer, account_id, schedules, draw)
    finally:
        database.close()


def _connected(
    fleet: Fleet, org: SandboxOrg, names: tuple[str, ...], *, number: int
) -> tuple[int, int, dict[str, int]]:
    config, credentials = settings_of(org)
    with psycopg.connect(fleet.machine.url) as sql:
        account_id = add_account(sql, f"customer-{number}").id
        new = NewConnection(
            account_id=account_id, provider="salesforce", name="org", config=config, credentials=credentials
        )
        connection_id, schedules = add_scheduled_connection(sql, fleet.keyring(), new, every=EVERY)
        for name in names:
            sql.execute(
                "INSERT INTO salesforce_objects (connection_id, account_id, name, selected) VALUES (%s, %s, %s, true)",
                (connection_id, account_id, name),
            )
    return account_id, connection_id, schedules
