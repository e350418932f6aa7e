"""An account's opportunities: by their last change at the provider, or by their close date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import psycopg

from infra.postgres.account_view.activities import place
from infra.postgres.account_view.paging import LAST_NUMBER, LAST_TEXT, LIMIT, Page, bounded, page_of, position_of
from infra.postgres.account_view.values import amount_of, moment_of_version
from infra.postgres.rows import rows_as
from retinue.errors import NotFound


class OpportunityOrder(StrEnum):
    """What comes first: what was changed last, or what closes last."""

    CHANGE = "change"
    CLOSE = "close"


_BEFORE: dict[OpportunityOrder, tuple[int | str, int, str]] = {
    OpportunityOrder.CHANGE: (LAST_NUMBER, LAST_NUMBER, LAST_TEXT),
    OpportunityOrder.CLOSE: (LAST_TEXT, LAST_NUMBER, LAST_TEXT),
}


@dataclass(frozen=True, slots=True)
class Opportunity:
    """One opportunity. `closes_on` is a date as 2026-12-31, empty where it has none; `company` is its account's name.

    `modified` and `amount` are as they are stored: read `changed_at` and `money`.
    """

    connection_id: int
    external_id: str
    modified: int
    closes_on: str
    name: str | None
    stage: str | None
    amount: str | None
    currency: str | None
    company: str | None
    owner: str | None

    @property
    def money(self) -> Decimal | None:
        """Its amount, in `currency` where the org has several; None where there is none or it is masked."""
        return amount_of(self.amount)

    @property
    def changed_at(self) -> datetime | None:
        """When it was last changed at the provider."""
        return moment_of_version(self.modified)


def view_opportunities(
    connection: psycopg.Connection,
    account_id: int,
    *,
    order: OpportunityOrder = OpportunityOrder.CHANGE,
    after: str | None = None,
    limit: int = LIMIT,
) -> Page[Opportunity]:
    """The account's opportunities in this order.

    Raises:
        InvalidPayload: `after` is no position of this list.
    """
    limit, position = bounded(limit), position_of(after, *_BEFORE[order])
    params = {"account_id": account_id, "limit": limit + 1} | place(position)
    found = rows_as(connection, Opportunity, f"view_opportunities_by_{order}", params)
    return page_of(found, limit, lambda line: _position(line, order))


def view_opportunity(
    connection: psycopg.Connection, account_id: int, connection_id: int, external_id: str
) -> Opportunity:
    """One opportunity; `activities_of_opportunity` tells what was done about it.

    Raises:
        NotFound: the account has no such opportunity.
    """
    params = {"account_id": account_id, "connection_id": connection_id, "external_id": external_id}
    found = rows_as(connection, Opportunity, "view_opportunity", params)
    if not found:
        raise NotFound(f"There is no opportunity {external_id} in this account.")
    return found[0]


def _position(line: Opportunity, order: OpportunityOrder) -> tuple[int | str, int, str]:
    first = line.modified if order is OpportunityOrder.CHANGE else line.closes_on
    return first, line.connection_id, line.external_id
