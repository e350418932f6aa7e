"""The database is what the org is, after any changes by several at once, however often the sync was killed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from retinue.testing import RetinueDatabase
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from tests.support.cutting_proxy import cutting_proxy
from tests.support.fleet import Fleet, fleet
from tests.support.killed_org_sync import KilledOrgSync
from tests.support.org_fleet import org_fleet
from tests.support.org_proof import Audience, Play, World, changing_org, in_this_process
from tests.support.org_world import OBJECTS
from tests.support.org_writers import drawn
from tests.support.salesforce_customer import connected
from tests.support.small_pages import Reading, settings

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]

FIRST_SEED = int(os.environ.get("SEED") or 1)
SEEDS = int(os.environ.get("SEEDS") or 50)
CHANGES = int(os.environ.get("CHANGES") or 240)

#: Rows of a page, and of what more is read by a Bulk job, by seed; the last is a servant's own way.
READINGS = (Reading(25, 10_000), Reading(40, 100), Reading(200, 10_000), Reading(25, 60), Reading(2000, 50_000))

#: Accounts from before beside a page of them: most of all change in one second, and that is more than the page.
MORE_ACCOUNTS = 500

TIMES = {"RETINUE_LEASE_SECONDS": "2", "RETINUE_HEARTBEAT_SECONDS": "0.5", "RETINUE_QUEUED_TIMEOUT_SECONDS": "2"}


@pytest.fixture(autouse=True)
def quick_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose answer was cut is sent again at once."""
    monkeypatch.setattr("servants.salesforce.client.http.PAUSES", (0.01, 0.02))


@pytest.fixture(scope="module")
def killed_fleet() -> Iterator[Fleet]:
    with fleet(**TIMES) as made:
        made.start_scheduler()
        yield made


@pytest.mark.timeout(120)
def test_some_changes(retinue_database: RetinueDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts are read by Bulk jobs, the others page by page."""
    read_by(monkeypatch, Reading(40, 80))
    with changing_org(tmp_path, seed=1, accounts=120) as world, killed_sync(retinue_database, world, 1) as sync:
        here = in_this_process(sync.customer)
        Play(world, sync, here).play(96, half_a_month_passes=False)
        settle(world, 1, here)
        assert min(sync.kills, sync.cuts, world.admin.late) > 0


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_many_changes(
    seed: int,
    retinue_database: RetinueDatabase,
    killed_fleet: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, reading = time.monotonic(), READINGS[seed % len(READINGS)]
    read_by(monkeypatch, reading)
    with (
        changing_org(tmp_path, seed=seed, accounts=reading.page_rows + MORE_ACCOUNTS) as world,
        killed_sync(retinue_database, world, seed) as sync,
        org_fleet(killed_fleet, world.org, OBJECTS, draw=drawn(seed, "fleet"), reading=reading) as others,
    ):
        here = in_this_process(sync.customer)
        there = Audience(others.customer, others.account_id, others.run)
        Play(world, sync, here, others).play(CHANGES, half_a_month_passes=seed % 4 == 0)
        rows = settle(world, seed, here, there)
        usage, seconds = world.org.control.usage(), time.monotonic() - began
        bulk = usage.counts.get("bulk_query", 0)
        tell(
            f"seed {seed}: pages of {reading.page_rows}, {world}, {sync}, {others.kills} SIGKILLs, equal, "
            f"at the end {rows:,} rows, {usage.calls:,} calls ({bulk} for Bulk), {seconds:.0f} s"
        )


def read_by(monkeypatch: pytest.MonkeyPatch, reading: Reading) -> None:
    for name, value in settings(reading).items():
        monkeypatch.setattr(name, value)


@contextmanager
def killed_sync(database: RetinueDatabase, world: World, seed: int) -> Iterator[KilledOrgSync]:
    """A customer of the org over a wire that is cut, whose jobs this process runs."""
    with cutting_proxy(int(world.org.url.rpartition(":")[2])) as proxy:
        customer = connected(database, world.org, url=proxy.url)
        customer.select(*OBJECTS)
        yield KilledOrgSync(customer, proxy, drawn(seed, "kills"))


def settle(world: World, seed: int, *audiences: Audience) -> int:
    """Compare everybody with the org; how many rows live.

    Mostly some minutes have passed since the last change, so that the log of deletions is whole.
    """
    log_is_complete = seed % 3 > 0
    if log_is_complete:
        world.org.control.clock_forward(minutes=2)
    (rows,) = {audience.settle(world, log_is_complete=log_is_complete) for audience in audiences}
    return rows


def tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what the proof shows
