"""Performs one job whose handler is a coroutine; see `servants.runtime.performer`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from infra.logs import get_logger
from retinue.async_job import AsyncJob
from retinue.errors import InvalidPayload, LeaseLost
from retinue.outcomes import Cancelled, Fail, Outcome
from retinue.payload import parse_payload
from retinue.servant import ServantType
from retinue.settlement import TRIAL_DEATHS, Settlement, put_off, returned
from servants.runtime.async_services import AsyncServices
from servants.runtime.evidence import gather
from servants.runtime.held import HeldJob
from servants.runtime.performer import Performed, Performer, after_timeout, enter_job, failed_with

if TYPE_CHECKING:
    from infra.otel import Tracing

log = get_logger(__name__)


class AsyncPerformer(Performer):
    """Runs the coroutine handler of one type. What asks the database is done by threads."""

    def __init__(
        self,
        servant: ServantType[Any],
        services: AsyncServices,
        servant_id: int,
        *,
        admits: Callable[[HeldJob], bool] = lambda _: True,
        tracing: Tracing | None = None,
    ) -> None:
        gate = services.threads.gate
        super().__init__(servant, services.threads, servant_id, admits=admits, gate=gate, tracing=tracing)
        self.services = services

    async def run(self, held: HeldJob) -> Performed:
        """Run the job to its end. Never raises for what a handler does."""
        if self._tracing is None:
            return await self._attempt(held)
        with self._tracing.perform(held.facts, self._servant_id) as span:
            performed = await self._attempt(held)
            self._tracing.tell(span, performed.settlement)
        held.trace = (span, time.time_ns())
        return performed

    async def _attempt(self, held: HeldJob) -> Performed:
        started = held.started_at = time.monotonic()
        enter_job(held.facts, self._servant_id)
        held.evidence = gather(self._servant_id, on_thread=False)
        settlement = await self._settlement_of(held)
        held.finished = True
        return Performed(held, settlement, time.monotonic() - started)

    async def _settlement_of(self, held: HeldJob) -> Settlement | None:
        if held.abandoned or held.lost:
            return None
        if held.facts.deaths >= TRIAL_DEATHS and not await asyncio.to_thread(self._admits, held):
            return put_off(held.facts.id, held.facts.attempt)
        try:
            outcome = await self._outcome_of(held)
        except LeaseLost as lost:
            log.warning("lease_lost", detail=lost.message)
            self._forget(held)
            return None
        if isinstance(held.job, AsyncJob) and held.job.connected:
            return await asyncio.to_thread(self._conclude, held, outcome)
        return self._conclude(held, outcome)

    async def _outcome_of(self, held: HeldJob) -> Outcome:
        try:
            outcome = await self._handle(held)
        except LeaseLost:
            raise
        except asyncio.CancelledError as error:
            # Asked to stop and interrupted, or it cancelled itself.
            outcome = failed_with(held, error) if held.asked_at is None else Cancelled(held.asked_why)
        except BaseException as error:  # noqa: BLE001 - SystemExit, too, is to end the job and not the loop
            outcome = failed_with(held, error)
        return after_timeout(held, outcome)

    async def _handle(self, held: HeldJob) -> Outcome:
        try:
            payload = parse_payload(self._servant.name, self._servant.payload, held.payload_json)
        except InvalidPayload as error:
            return Fail(error.message, "InvalidPayload")
        held.job = job = AsyncJob(held.facts, payload, self.services)
        if held.asked_at is not None:
            return Cancelled(f"{held.asked_why} before it began")
        held.interruptible = True
        try:
            return returned(await self._servant.handler(job))
        finally:
            held.interruptible = False
