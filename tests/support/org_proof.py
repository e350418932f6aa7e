"""One seed of the proof: an org that writers change, customers that follow it, and the comparison when all is quiet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.postgres.salesforce_connections import RECONCILE_TYPE, SYNC_TYPE
from retinue.servant import ServantType
from retinue.states import JobState
from servants.salesforce.reconcile import reconcile
from servants.salesforce.sync import sync_salesforce
from tests.support.killed_org_sync import KilledOrgSync
from tests.support.org_admin import Admin
from tests.support.org_equality import Consumer, assert_followed, assert_tombstones
from tests.support.org_fleet import OrgFleet
from tests.support.org_hands import BulkHand, RestHand
from tests.support.org_world import OBJECTS, Ledger, furnish
from tests.support.org_writers import Writer, Writers, drawn
from tests.support.salesforce_customer import OrgCustomer
from tests.support.sandbox_org import SandboxOrg, sandbox_org

Run = Callable[..., dict[str, Any]]

#: The most changes between the beginnings of two runs.
BETWEEN = 16


@dataclass(frozen=True)
class World:
    """An org with those who change it."""

    org: SandboxOrg
    ledger: Ledger
    writers: Writers
    admin: Admin

    def __str__(self) -> str:
        return f"{self.writers.changes:,} changes of {self.writers.rows:,} rows, {self.admin.late} late"


@contextmanager
def changing_org(directory: Path, *, seed: int, accounts: int) -> Iterator[World]:
    """A furnished org; most of its accounts change all at once now and then."""
    with sandbox_org(directory) as org:
        ids = furnish(org, accounts=accounts)
        ledger, rest, bulk = Ledger(), RestHand(org), BulkHand(org)
        admin = Admin(org, ledger, drawn(seed, "admin"), many=ids[: len(ids) * 5 // 6])
        clerks = [Writer(org, hand, ledger, drawn(seed, name)) for name, hand in (("clerk", rest), ("loader", bulk))]
        try:
            yield World(org, ledger, Writers([*clerks, admin]), admin)
        finally:
            rest.close()
            bulk.close()


class Audience:
    """A customer that follows the org, and a consumer that follows the customer's feed."""

    def __init__(self, customer: OrgCustomer, account_id: int, run: Run) -> None:
        self.customer = customer
        self.consumer = Consumer(customer.database, account_id)
        self._account_id = account_id
        self._run = run

    def settle(self, world: World, *, log_is_complete: bool) -> int:
        """Two increments, one reconciliation, and what there is after each; how many rows live.

        The log of deletions covers whole minutes; where it is not complete, deletions are left to the reconciliation.
        """
        for _ in range(2):
            self._run(SYNC_TYPE)
        left = {name: self._assert_followed(world, name, log_is_complete=log_is_complete) for name in OBJECTS}
        told = self._run(RECONCILE_TYPE, objects=OBJECTS)["objects"]
        for name, surplus in left.items():
            found = told[name]
            assert (found.get("missing", 0), found.get("stale", 0)) == (0, 0), f"{name}: {found}"
            assert found.get("surplus", 0) <= surplus, f"{name}: {found}"
        return self._assert_equal()

    def _assert_followed(self, world: World, name: str, *, log_is_complete: bool) -> int:
        excused = world.ledger.traceless(name)
        if not log_is_complete:
            there = {row["Id"] for row in world.org.control.rows(name)}
            excused |= self.customer.stored(name).keys() - there
        return assert_followed(self.customer, name, excused=excused)

    def _assert_equal(self) -> int:
        self.customer.assert_equal(*OBJECTS)
        self.consumer.catch_up()
        from_the_beginning = Consumer(self.customer.database, self._account_id)
        from_the_beginning.catch_up()
        for consumer in (self.consumer, from_the_beginning):
            consumer.assert_equal(self.customer, OBJECTS)
        for name in OBJECTS:
            assert_tombstones(self.customer, from_the_beginning, name)
        return len(self.consumer.records)


def in_this_process(customer: OrgCustomer) -> Audience:
    """A customer whose jobs this process runs."""
    servants: dict[str, ServantType[Any]] = {SYNC_TYPE: sync_salesforce, RECONCILE_TYPE: reconcile}

    def run(job_type: str, **payload: Any) -> dict[str, Any]:
        ran = customer.run(servants[job_type], **payload)
        assert ran.state is JobState.COMPLETED, ran.error
        assert ran.result is not None
        return ran.result

    return Audience(customer, 1, run)


class Play:
    """The changes of a seed, and everybody who is killed meanwhile."""

    def __init__(self, world: World, sync: KilledOrgSync, here: Audience, others: OrgFleet | None = None) -> None:
        self._world = world
        self._sync = sync
        self._here = here
        self._others = others

    def play(self, changes: int, *, half_a_month_passes: bool) -> None:
        """Make so many changes, and commit what is open.

        Real servants come to rest before the last eighth of them: so no job of theirs that began before the last
        change counts as an increment after it. The first reading is over by then, too.
        """
        last = changes // 8
        self._change(changes - last)
        if self._others is not None:
            self._others.come_to_rest()
        self._sync.finish_history()
        if half_a_month_passes:
            self._world.admin.let_bins_empty()
        self._change(last)
        self._world.writers.finish()

    def _change(self, changes: int) -> None:
        with self._world.writers.at_work(changes) as allow:
            while allow(self._sync.draw.randint(1, BETWEEN)):
                self._sync.run()
                self._here.consumer.catch_up()
                if self._others is not None:
                    self._others.kill_one_at_work()
