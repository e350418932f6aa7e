"""What the queues cost: calls by type and their price, and each account's share.

Prices are settings, as AWS's page of prices names them (https://aws.amazon.com/sqs/pricing/). An account's share is
that of its jobs among all jobs of a type which ended in the same hour; what a type costs that ended none is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import psycopg

from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.settings import Settings


class Period(StrEnum):
    """What costs are added up over, in UTC as AWS's bills are."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def begin(self, at: datetime) -> datetime:
        """The beginning of the period that `at` lies in."""
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        day = hour if self is Period.HOUR else hour.replace(hour=0)
        return day.replace(day=1) if self is Period.MONTH else day

    def end(self, at: datetime) -> datetime:
        """The beginning of the next one."""
        begin = self.begin(at)
        longest = {Period.HOUR: timedelta(hours=1), Period.DAY: timedelta(days=1), Period.MONTH: timedelta(days=31)}
        return self.begin(begin + longest[self])


@dataclass(frozen=True, slots=True)
class Prices:
    """What calls cost: dollars for a million, and how many of a month are free of charge."""

    dollars_per_million: float
    free_calls: int

    @classmethod
    def of(cls, settings: Settings) -> Prices:
        """As the settings have them."""
        return cls(settings.sqs_dollars_per_million, settings.sqs_free_calls)

    def dollars(self, calls: float) -> float:
        """What so many calls cost at the list price."""
        return calls * self.dollars_per_million / 1_000_000

    def bill(self, calls_of_month: float) -> float:
        """What a month's calls cost, the free ones left out, if nothing else in the AWS account uses SQS."""
        return self.dollars(max(0.0, calls_of_month - self.free_calls))


@dataclass(frozen=True, slots=True)
class TypeCalls:
    """The calls for one type in a period; `other` ones make queues and look at them."""

    type: str
    calls: int
    receives: int
    sends: int
    deletes: int

    @property
    def other(self) -> int:
        return self.calls - self.receives - self.sends - self.deletes


@dataclass(frozen=True, slots=True)
class AccountCalls:
    """An account's share of a period; `account_id` None is what no account has to do with."""

    account_id: int | None
    account_name: str | None
    jobs: int
    calls: float


@dataclass(frozen=True, slots=True)
class ShareOfType:
    """What one account has of one type's calls in a period."""

    period: str
    starts_at: datetime
    type: str
    jobs: int
    calls: float


def type_calls(connection: psycopg.Connection, period: Period, at: datetime) -> list[TypeCalls]:
    """The calls of the period that `at` lies in, by type, the most first; up to a minute ago."""
    params = {"since": period.begin(at), "until": period.end(at)}
    return rows_as(connection, TypeCalls, "list_type_calls", params)


def account_calls(
    connection: psycopg.Connection,
    period: Period,
    at: datetime,
    *,
    before: tuple[float, int] | None = None,
    limit: int = 50,
) -> list[AccountCalls]:
    """Accounts by their share of that period, the largest first.

    `before` is the calls and the ID of one, 0 for no account: those after it. Hours that have not been shared out yet
    (`shared_until`) are missing.
    """
    params: dict[str, Any] = {
        "period": period.value,
        "starts_at": period.begin(at),
        "before": before and before[0],
        "before_id": before and before[1],
        "limit": limit,
    }
    return rows_as(connection, AccountCalls, "list_account_costs", params)


def costs_of_account(connection: psycopg.Connection, account_id: int, at: datetime) -> list[ShareOfType]:
    """One account's share of this day and of this month, by type."""
    params = {"account_id": account_id, "at": at}
    return rows_as(connection, ShareOfType, "list_costs_of_account", params)


def calls_by_step(
    connection: psycopg.Connection, since: datetime, until: datetime, *, step: timedelta
) -> list[tuple[datetime, str, int]]:
    """The calls of each step of an hour or more, by type."""
    params = {"since": since, "until": until, "step_seconds": step.total_seconds()}
    return list(connection.execute(statement("list_calls_by_step"), params).fetchall())


def shared_until(connection: psycopg.Connection) -> datetime | None:
    """Up to when calls have been shared out among accounts; None where no scheduler has begun with it."""
    row = connection.execute(statement("read_cost_progress")).fetchone()
    return None if row is None else row[0]
