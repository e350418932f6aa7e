"""`/api/v1/costs`: what the queues cost."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field, TypeAdapter

from infra.postgres.costs import AccountCalls, Period, Prices, TypeCalls, account_calls, shared_until, type_calls
from infra.postgres.schedules import database_now
from manager.api.describing import answer, answers, resource
from manager.api.shapes import ACCOUNT_ID, Asked, Moment, Page, Paged, Shape, read_place
from manager.deps import Deps
from manager.roles import Role, requires

_CALLS_AND_ID = TypeAdapter(tuple[float, ACCOUNT_ID])


class CostsAsked(Asked):
    """Of which period: that in which `at` lies, now unless given."""

    period: Period = Period.DAY
    at: Moment | None = None


class AccountCostsAsked(Paged, CostsAsked):
    """Of which period, by account."""


class TypeCost(Shape):
    """The calls for one type, and their list price."""

    type: str
    calls: int
    receives: int
    sends: int
    deletes: int
    dollars: float


class Costs(Shape):
    """The calls of a period by type. `bill` is the month's price, the free calls left out."""

    period: Period
    starts_at: datetime
    items: list[TypeCost]
    calls_of_month: int
    bill: float


class AccountCostPage(Page[AccountCalls]):
    """Accounts by their share of the calls; `shared_until` is up to when calls have been shared out."""

    starts_at: datetime
    shared_until: datetime | None = Field(description="Null where no scheduler has begun with it.")


def costs_api(deps: Deps) -> APIBlueprint:
    """Looking at costs."""
    costs = resource("costs", "What the queues cost, by type and by account.")
    prices = Prices.of(deps.settings)

    @costs.get("", responses=answers(Costs))
    @requires(Role.VIEWER)
    def list_(query: CostsAsked) -> Response:
        """The calls of an hour, a day or a month by type, and what they cost."""
        with deps.database.transaction() as connection:
            at = query.at or database_now(connection)
            types = type_calls(connection, query.period, at)
            month = sum(line.calls for line in type_calls(connection, Period.MONTH, at))
        items = [_told(line, prices) for line in types]
        begin = query.period.begin(at)
        return answer(
            Costs(period=query.period, starts_at=begin, items=items, calls_of_month=month, bill=prices.bill(month))
        )

    @costs.get("/accounts", responses=answers(AccountCostPage))
    @requires(Role.VIEWER)
    def accounts(query: AccountCostsAsked) -> Response:
        """Accounts by their share of a period's calls, the largest first."""
        before = read_place(query.after, _CALLS_AND_ID)
        with deps.database.transaction() as connection:
            known = shared_until(connection)
            at = query.at or _newest(database_now(connection), query.period, known)
            found = account_calls(connection, query.period, at, before=before, limit=query.limit + 1)
        page = AccountCostPage.cut(found, query.limit, lambda line: (line.calls, line.account_id or 0))
        return answer(AccountCostPage(starts_at=query.period.begin(at), shared_until=known, **page))

    return costs


def _newest(now: datetime, period: Period, known: datetime | None) -> datetime:
    """The hour under way has not been shared out: the last one that has been is shown for it."""
    return min(now, known - timedelta(hours=1)) if period is Period.HOUR and known is not None else now


def _told(line: TypeCalls, prices: Prices) -> TypeCost:
    return TypeCost(
        type=line.type,
        calls=line.calls,
        receives=line.receives,
        sends=line.sends,
        deletes=line.deletes,
        dollars=prices.dollars(line.calls),
    )
