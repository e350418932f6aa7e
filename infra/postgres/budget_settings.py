"""What people do with a connection's budget: set its limits, forget what was set, and ask how long it will last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.breakers import connection_scope
from infra.postgres.budgets import BudgetLine, clear_budgets, declare_budgets, show_budgets
from infra.postgres.holds import release_holds
from infra.postgres.statements import statement
from retinue.budget import BUCKETS, CONCURRENT, Budget
from retinue.errors import RetinueError
from retinue.forecast import Forecast, Spent, forecast
from retinue.holds import HoldKind
from retinue.limits import DAY, HOUR, MAX_COUNT, MINUTE

#: The parameters of `Budget` by the length of their window in seconds.
NAMES = {DAY: "per_day", HOUR: "per_hour", MINUTE: "per_minute", CONCURRENT: "concurrent"}


class InvalidBudget(RetinueError):
    """A budget has limits of 1 to 1,000,000,000 calls, and a reserve of 0 to below 1."""


def set_budget(connection: psycopg.Connection, connection_id: int, **given: Any) -> None:
    """Set these of a budget's limits, as `Budget` names them; a reserve alone is for the windows that there are.

    What waits for the budget looks again. The caller rings the bell.

    Raises:
        InvalidBudget: a limit or the reserve cannot be.
    """
    try:
        asked = Budget(**given)
    except ValueError as error:
        raise InvalidBudget(f"{str(error).capitalize()}.") from None
    if not asked.windows():
        limits = {line.window_seconds: _own_limit(line) for line in show_budgets(connection, connection_id)}
        if not limits:
            raise InvalidBudget("There is no limit to reserve a share of: give one, such as 10000 calls a day.")
        asked = Budget(**{NAMES[seconds]: limit for seconds, limit in limits.items()}, reserve=asked.reserve)
    declare_budgets(connection, connection_id, asked, source="set")
    _release(connection, connection_id)


def clear_budget(connection: psycopg.Connection, connection_id: int) -> None:
    """Forget what was set and learned; what code declares comes back with the next job. The caller rings the bell."""
    clear_budgets(connection, connection_id)
    _release(connection, connection_id)


def forecasts_of(connection: psycopg.Connection, connection_id: int) -> list[Forecast]:
    """How long each window of an hour or more lasts at the rate of its last parts, the longest window first."""
    lines = [line for line in show_budgets(connection, connection_id) if line.window_seconds >= HOUR]
    rows = connection.execute(
        statement("read_budget_spending"), {"connection_id": connection_id, "buckets": BUCKETS}
    ).fetchall()
    spent = {seconds: [Spent(*one) for one in zip(ats, calls, strict=True)] for seconds, ats, calls, _ in rows}
    now: dict[int, datetime] = {seconds: at for seconds, _, _, at in rows}
    return [
        forecast(
            seconds=line.window_seconds,
            limit=limit_of(line),
            reserve=line.reserve,
            spent=spent[line.window_seconds],
            others=line.foreign_calls + line.lent,
            now=now[line.window_seconds],
        )
        for line in lines
        if line.window_seconds in spent
    ]


def limit_of(line: BudgetLine) -> int:
    """The limit that counts: what a provider says, or the smaller one where a person has set one."""
    if line.learned_limit is None:
        return line.call_limit
    return min(line.call_limit, line.learned_limit) if line.source == "set" else line.learned_limit


def _own_limit(line: BudgetLine) -> int:
    """What a person's word on the reserve says of the limit itself: where answers name it, nothing."""
    return MAX_COUNT if line.source == "declared" and line.learned_limit is not None else line.call_limit


def _release(connection: psycopg.Connection, connection_id: int) -> None:
    """Under other limits the lanes may have something left; if not, the next job holds them again."""
    release_holds(connection, [HoldKind.BUDGET], scope=connection_scope(connection_id))
