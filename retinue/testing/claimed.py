"""Attempts at a job that a real database knows of: claimed, fenced and settled as in production."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from pydantic import BaseModel

from infra.postgres.settle import settle_jobs
from infra.settings import load_settings
from retinue.connection import Connection
from retinue.job import Commit, Job, JobServices
from retinue.order import keep_order
from retinue.servant import ServantType
from retinue.testing.database import RetinueDatabase
from servants.runtime.budget_leases import BudgetLeases
from servants.runtime.claimer import Claimer
from servants.runtime.gate import Gate
from servants.runtime.held import HeldJob
from servants.runtime.performer import Performed
from servants.runtime.process import ServantProcess
from servants.runtime.services import Services

#: Longer than anybody looks at a job in a debugger, in seconds.
LEASE_SECONDS = 3600

#: What was spent of budgets is reported within this time, in seconds.
STOP_SECONDS = 5


class ClaimedStage:
    """A job in a database, and a servant that claims it each time."""

    def __init__(
        self,
        database: RetinueDatabase,
        servant: ServantType[Any],
        payload: BaseModel,
        *,
        account_id: int | None,
        connections: Mapping[int, Connection],
    ) -> None:
        self._database = database
        self._servant = servant
        settings = load_settings(env_file=None, database_url=database.url, lease_seconds=LEASE_SECONDS)
        # Not started: it announces the type and has an ID to claim under.
        self._servant_id = ServantProcess(
            servant, settings, database=database.pool, queues=database.queues, keyring=database.keyring
        ).id
        self._leases = BudgetLeases(database.pool, servant_id=self._servant_id, lease_seconds=LEASE_SECONDS)
        real = Services(
            database.pool, database.keyring, database.bell, servant_id=self._servant_id, leases=self._leases
        )
        self.gate: Gate | None = real.gate
        self.services: JobServices = _WithConnections(real, connections) if connections else real
        self.job_id = database.enqueue(servant, payload, account_id=account_id)

    def arrange(self, *, failures: int, attempt: int, checkpoint: Any) -> None:
        """Have the job look as earlier attempts left it."""
        self._database.sql.execute(
            "UPDATE jobs SET failures = %s, attempt = %s, checkpoint = %s WHERE id = %s",
            (failures, attempt - 1, None if checkpoint is None else json.dumps(checkpoint), self.job_id),
        )

    def begin(self) -> HeldJob:
        self._leases.start()
        self._database.sql.execute(
            "UPDATE jobs SET state = 'queued', reason = 'dispatch', queued_at = now() WHERE id = %s", (self.job_id,)
        )
        claimer = Claimer(
            self._database.pool,
            job_type=self._servant.name,
            servant_id=self._servant_id,
            lease_seconds=LEASE_SECONDS,
        )
        return claimer.claim([self.job_id])[0]

    def end(self, performed: Performed) -> None:
        self._leases.stop(STOP_SECONDS)
        if performed.settlement is None:
            return
        settlement = keep_order(performed.settlement, self._servant.order)
        with self._database.pool.transaction() as connection:
            settle_jobs(connection, [(settlement, performed.run_seconds)], shard=0)


class _WithConnections:
    """The real services, but for the connections that the test made up."""

    def __init__(self, services: JobServices, connections: Mapping[int, Connection]) -> None:
        self._services = services
        self._connections = connections

    def commit(self, job: Job[Any]) -> AbstractContextManager[Commit]:
        return self._services.commit(job)

    def connection(self, job: Job[Any], connection_id: int) -> Connection:
        found = self._connections.get(connection_id)
        return found if found is not None else self._services.connection(job, connection_id)

    def anomaly(self, job: Job[Any], name: str, fields: Mapping[str, Any]) -> None:
        self._services.anomaly(job, name, fields)
