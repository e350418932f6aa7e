"""What every blueprint works with."""

from __future__ import annotations

from dataclasses import dataclass

from infra.postgres.account_database import AccountDatabase
from infra.postgres.connect import Database
from infra.queues.transport import Queues
from infra.settings import Settings
from manager.live.hub import LiveHub
from manager.org_sign_in import MakeOrgSignIn
from manager.refusals import Refusals
from manager.remembered import Remembered
from retinue.clock import Clock


@dataclass(frozen=True)
class Deps:
    """One manager's settings, servers and time, what its open pages look at, whom it knew last, whom it refused,
    the sessions of people in their accounts, and how they sign in to Salesforce."""

    settings: Settings
    database: Database
    queues: Queues
    clock: Clock
    live: LiveHub
    remembered: Remembered
    refusals: Refusals
    accounts: AccountDatabase
    sign_in_to_org: MakeOrgSignIn
