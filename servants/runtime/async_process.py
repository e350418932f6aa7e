"""Puts the parts of a process together whose type's handler is a coroutine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.postgres.connect_async import AsyncDatabase
from retinue.servant import ServantType
from servants.runtime.async_performer import AsyncPerformer
from servants.runtime.async_services import AsyncServices
from servants.runtime.async_slots import AsyncSlots
from servants.runtime.held import HeldJob
from servants.runtime.performer import Performed
from servants.runtime.services import Services


def async_slots(
    servant: ServantType[Any],
    services: Services,
    servant_id: int,
    *,
    admits: Callable[[HeldJob], bool],
    on_performed: Callable[[Performed], None],
) -> AsyncSlots:
    """The slots of one process, with the connections of their loop."""
    beside = AsyncServices(services, AsyncDatabase(services.database))
    performer = AsyncPerformer(servant, beside, servant_id, admits=admits, tracing=services.tracing)
    return AsyncSlots(servant.slots, performer, on_performed)
