"""How an account and its connections stand: what is in step, how much is held, what is left of its budgets.

Nothing is counted here: mailboxes, calendars and objects carry their counts, kept by whoever changes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.holds import connection_lanes
from infra.postgres.lanes import LaneLine, list_lanes
from infra.postgres.rows import rows_as
from infra.redaction import mask_text
from retinue.budget import BUCKETS
from retinue.errors import NotFound


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account.

    Of its `sources` (folders, calendars, objects) `unread` were never in step, and `stalest_at` is when the one that
    was longest ago in step was so. `held` counts messages, calendar objects and records. `budget_share` is the used
    share of the budget that is nearest its limit; None where there is none.
    """

    id: int
    name: str
    created_at: datetime
    connections: int
    broken: int
    open_breakers: int
    providers: list[str]
    sources: int
    unread: int
    stalest_at: datetime | None
    held: int
    importing: int
    budget_share: float | None

    @property
    def is_troubled(self) -> bool:
        """Whether something of it needs a person, or a provider that works."""
        return bool(self.broken or self.open_breakers)


@dataclass(frozen=True, slots=True)
class Source:
    """Something that a connection keeps in step. `held` is how much of it is stored; None where that is not known.

    `kind` is folder, calendar or object; `state` is an object's, `live` for the others.
    """

    connection_id: int
    kind: str
    name: str
    label: str | None
    state: str
    problem: str | None
    held: int | None
    synced_at: datetime | None


def list_account_states(
    connection: psycopg.Connection,
    *,
    named: str | None = None,
    troubled: bool = False,
    after: str | None = None,
    limit: int = 50,
) -> list[AccountState]:
    """Accounts by name, those beyond the name `after`; only those whose name has `named` in it, or with troubles."""
    return _listed(connection, named=named or None, troubled=troubled, after=after, limit=limit)


def account_state(connection: psycopg.Connection, account_id: int) -> AccountState:
    """One account.

    Raises:
        NotFound: there is no such account.
    """
    found = _listed(connection, id=account_id)
    if not found:
        raise NotFound(f"There is no account {account_id}. `retinue accounts list` shows all.")
    return found[0]


def sources_of(connection: psycopg.Connection, connection_id: int, *, limit: int = 200) -> list[Source]:
    """What a connection keeps in step, by kind and name; at most `limit` of each kind."""
    params = {"connection_id": connection_id, "limit": limit}
    found = rows_as(connection, Source, "list_connection_sources", params)
    return [replace(source, problem=source.problem and mask_text(source.problem)) for source in found]


def lanes_of(connection: psycopg.Connection, connection_id: int) -> list[LaneLine]:
    """The lanes of a connection, one for each type that works on it."""
    lanes = connection_lanes(connection, connection_id)
    return [line for job_type, lane in lanes for line in list_lanes(connection, type=job_type, lane=lane, limit=1)]


def _listed(connection: psycopg.Connection, **given: Any) -> list[AccountState]:
    every: dict[str, Any] = dict.fromkeys(("id", "named", "after"))
    params = every | {"troubled": False, "limit": 1, "buckets": BUCKETS} | given
    return rows_as(connection, AccountState, "list_account_states", params)
