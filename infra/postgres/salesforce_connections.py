"""A connection to an org of Salesforce, its schedules, and its share of the org's API calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from infra.organizations import is_another, organization_of
from infra.postgres.budgets import declare_budgets, learn
from infra.postgres.connections import NewConnection, open_connection, read_connection
from infra.postgres.incidents import lock_incidents
from infra.postgres.scheduled_connections import add_scheduled_connection
from infra.postgres.statements import statement
from infra.secrets import Keyring, SecretError
from retinue.budget import Budget
from retinue.connection import Connection
from retinue.errors import NotAllowed
from retinue.job import Commit
from retinue.limits import DAY, MAX_COUNT, Observation

SYNC_TYPE = "salesforce.sync"
RECONCILE_TYPE = "salesforce.reconcile"
FORMULAS_TYPE = "salesforce.formulas"

#: How often it is looked for what an increment cannot see: deletions and rows that differ, each when it is due, and
#: fields that change without a stamp.
RECONCILE_EVERY = timedelta(hours=1)
FORMULAS_EVERY = timedelta(hours=6)

#: The share of an org's daily calls that Retinue uses at most; the rest is for the customer's other tools.
QUOTA_SHARE = 0.5

#: What a day's calls are taken for until the first answer's Sforce-Limit-Info names them. The smallest org has 15,000
#: ("API Request Limits and Allocations"), but most of them may be spent: little is lent out before that is known.
UNKNOWN_DAY = 1_000

#: Long requests that the smallest org allows at the same time (the same page); short ones are not limited.
SMALLEST_CONCURRENCY = 5


class OtherOrganization(NotAllowed):
    """The sign-in is to another org than the connection."""


@dataclass(frozen=True, slots=True)
class AddedSalesforceConnection:
    """What was made; the schedules by the type of their jobs."""

    connection_id: int
    schedule_id: int
    account_id: int
    name: str
    schedules: dict[str, int]


def add_salesforce_connection(
    connection: psycopg.Connection,
    keyring: Keyring,
    new: NewConnection,
    *,
    every: timedelta,
    quota_share: float = QUOTA_SHARE,
) -> AddedSalesforceConnection:
    """Make the connection and the schedules that sync it, compare it and read its formula fields; all are due at once.

    Raises:
        InvalidName, NotAllowed, InvalidSchedule, UnknownType: see `add_scheduled_connection`.
    """
    rhythms = {SYNC_TYPE: every, RECONCILE_TYPE: RECONCILE_EVERY, FORMULAS_TYPE: FORMULAS_EVERY}
    connection_id, schedules = add_scheduled_connection(connection, keyring, new, every=rhythms)
    if quota_share != QUOTA_SHARE:
        share_quota(connection, connection_id, quota_share)
    return AddedSalesforceConnection(connection_id, schedules[SYNC_TYPE], new.account_id, new.name, schedules)


def keep_to_organization(
    connection: psycopg.Connection, keyring: Keyring, connection_id: int, granted: Mapping[str, str]
) -> None:
    """Let nobody sign in to another org over a connection than the one that it is to.

    Raises:
        NotFound: there is no such connection.
        OtherOrganization: what was granted is for another org.
    """
    refuse_another(known_organization(connection, keyring, connection_id), connection_id, granted)


def refuse_another(kept: str, connection_id: int, granted: Mapping[str, str]) -> None:
    """The same for who may not open credentials, and knows only the org of the connection's settings.

    Raises:
        OtherOrganization: what was granted is for another org.
    """
    told = organization_of(granted)
    if is_another(kept, told):
        raise OtherOrganization(
            f"That sign-in is to the org {told}, and connection {connection_id} is to the org {kept}: their records "
            f"would mix, so nothing was changed. Sign in to {kept}, or connect {told} by a connection of its own."
        )


def known_organization(connection: psycopg.Connection, keyring: Keyring, connection_id: int) -> str:
    """The ID of the org that a connection is to; empty while nothing has told it.

    Raises:
        NotFound: there is no such connection.
    """
    if kept := organization_of(read_connection(connection, connection_id).config):
        return kept
    try:
        return organization_of(open_connection(connection, keyring, connection_id).credentials)
    except SecretError:
        # They tell nothing any more, and to sign in anew is what mends them.
        return ""


def keep_organization(tx: Commit, connection: Connection) -> None:
    """Keep in the connection's settings which org it is to, where its credentials alone tell by now."""
    told = organization_of(connection.credentials)
    if told and not organization_of(connection.config):
        # In the order of whoever settles its jobs.
        lock_incidents(tx.connection, connection.id)
        tx.connection.execute(statement("keep_organization"), {"id": connection.id, "organization_id": told})


def share_quota(connection: psycopg.Connection, connection_id: int, share: float) -> None:
    """Let Retinue use this share of the org's daily calls, 0.05 to 1; the calls of all tools together count.

    The limit itself stays the one that answers name.
    """
    budget = Budget(per_day=MAX_COUNT, concurrent=SMALLEST_CONCURRENCY, reserve=round(1 - share, 4))
    declare_budgets(connection, connection_id, budget, source="set")
    unknown = Observation(limit=UNKNOWN_DAY, remaining=UNKNOWN_DAY, window_seconds=DAY)
    learn(connection, connection_id, [unknown], reason="not known yet")
