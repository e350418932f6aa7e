"""What every blueprint works with."""

from __future__ import annotations

from dataclasses import dataclass

from infra.postgres.account_database import AccountDatabase
from infra.postgres.connect import Database
from infra.queues.transport import Queues
from infra.settings import Settings
from manager.live.hub import LiveHub
from manager.refusals import Refusals
from manager.remembered import Remembered
from retinue.clock import Clock


@dataclass(frozen=True)
class Deps:
    """One manager's settings, servers and time, what its open pages look at, whom it knew last, whom it refused,
    and the sessions of people in their accounts."""

    settings: Settings
    database: Database
    queues: Queues
    clock: Clock
    live: LiveHub
    remembered: Remembered
    refusals: Refusals
    accounts: AccountDatabase
