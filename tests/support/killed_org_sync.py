"""A connection's jobs in this process, most of which do not live to their end."""

from __future__ import annotations

import random
from typing import Any

from infra.postgres.breakers import close_by_hand, connection_scope, provider_scope
from retinue.errors import LeaseLost
from retinue.servant import ServantType
from retinue.states import JobState
from retinue.testing import Ran, run
from scheduler.rescue import Rescue
from servants.salesforce.formulas import refresh_formulas
from servants.salesforce.provider import PROVIDER
from servants.salesforce.reconcile import reconcile
from servants.salesforce.sync import sync_salesforce
from tests.support.cutting_proxy import CuttingProxy
from tests.support.salesforce_customer import OrgCustomer

#: How often each is run.
JOBS: tuple[tuple[ServantType[Any], int], ...] = ((sync_salesforce, 14), (refresh_formulas, 2), (reconcile, 1))

#: The most commits that a killed attempt makes.
COMMITS = {sync_salesforce.name: 16, refresh_formulas.name: 12, reconcile.name: 20}

#: The most bytes of answers before the wire is cut.
BYTES = 120_000

#: How long a whole first reading may take beside other work, in seconds: only what hangs takes longer.
PATIENCE = 300

_STATES = "SELECT DISTINCT state::text FROM salesforce_objects WHERE connection_id = %s AND selected"


class KilledOrgSync:
    """Runs jobs of a customer's connection one after the other."""

    def __init__(self, customer: OrgCustomer, proxy: CuttingProxy, draw: random.Random) -> None:
        self.kills = 0
        self.cuts = 0
        self.runs = 0
        self.customer = customer
        self.draw = draw
        self._proxy = proxy
        #: By type: the checkpoint of an attempt that was killed.
        self._left: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"{self.runs} runs, {self.kills} kills, {self.cuts} cuts"

    def run(self) -> None:
        """One job, killed somewhere, cut off, or whole."""
        if "history" in self._states() and self.draw.random() < 0.3:
            return self._drain()
        (servant,) = self.draw.choices([job for job, _ in JOBS], [weight for _, weight in JOBS])
        fate = self.draw.random()
        dies_after = self.draw.randint(0, COMMITS[servant.name]) if fate < 0.5 else None
        self._proxy.left = self.draw.randint(0, BYTES) if 0.5 <= fate < 0.8 else None
        try:
            self._note(servant, self._attempt(servant, dies_after))
        finally:
            self._mend()

    def finish_history(self) -> None:
        """Have the first reading come to its end."""
        while self._states() != {"live"}:
            ran = self._attempt(sync_salesforce, None)
            assert ran.state is JobState.COMPLETED, (ran.settlement, ran.raised)
            self.customer.drain(seconds=PATIENCE)

    def _states(self) -> set[str]:
        rows = self.customer.database.sql.execute(_STATES, (self.customer.connection_id,))
        return {row[0] for row in rows}

    def _drain(self) -> None:
        """Whatever is due: history and the comparison that follows it, over a wire that is cut now and then."""
        self.runs += 1
        self._proxy.left = self.draw.randint(0, 10 * BYTES) if self.draw.random() < 0.6 else None
        try:
            drained = self.customer.drain(seconds=PATIENCE)
        finally:
            self._mend()
        self.cuts += len(drained.raised)
        assert not drained.failed, drained.raised

    def _mend(self) -> None:
        """The wire is whole again, and nobody waits to see whether it is."""
        self._proxy.left = None
        scopes = (connection_scope(self.customer.connection_id), provider_scope(PROVIDER))
        with self.customer.database.pool.transaction() as connection:
            for scope in scopes:
                close_by_hand(connection, scope)

    def _attempt(self, servant: ServantType[Any], dies_after: int | None) -> Ran:
        self.runs += 1
        given: Any = {} if dies_after is None else {"lose_lease_after": dies_after}
        return run(
            servant,
            {"connection_id": self.customer.connection_id},
            database=self.customer.database,
            account_id=1,
            checkpoint=self._left.pop(servant.name, None),
            **given,
        )

    def _note(self, servant: ServantType[Any], ran: Ran) -> None:
        if isinstance(ran.raised, LeaseLost):
            self.kills += 1
            self._left[servant.name] = ran.checkpoint
            self._bury(ran.job.id)
        elif ran.state is not JobState.COMPLETED:
            assert ran.state is JobState.PENDING, ran.error
            self.cuts += 1
            self._bury(ran.job.id)

    def _bury(self, job_id: int) -> None:
        """Put the dead attempt's job off for good: the next run does its work."""
        sql = self.customer.database.sql
        sql.execute("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE state = 'running'")
        Rescue(self.customer.database.pool, queued_timeout_seconds=0, lost_seconds=60).run_once()
        sql.execute("UPDATE jobs SET run_at = now() + interval '1 day' WHERE id = %s AND state = 'pending'", (job_id,))
