"""`retinue connections budget`: how many calls a connection may make, and what weighs on that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import ID, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    import psycopg

    from cli.output import Column
    from infra.postgres.budgets import BudgetLine

_COUNT = click.IntRange(1, 10**9)


def _only_shows(given: Mapping[str, Any]) -> bool:
    """Whether nothing is set or cleared."""
    return not any(value for name, value in given.items() if name not in ("connection_id", "as_json"))


@click.command("budget", short_help="Show or set how many calls a connection may make.")
@needs(Permission.WORK_ACT, notes="connection.budget", of="connection_id", looks=_only_shows)
@click.argument("connection_id", metavar="ID", type=ID)
@click.option("--per-day", type=_COUNT, help="Calls in any 24 hours.")
@click.option("--per-hour", type=_COUNT, help="Calls in any hour.")
@click.option("--per-minute", type=_COUNT, help="Calls in any minute.")
@click.option("--concurrent", type=_COUNT, help="Calls at the same time.")
@click.option(
    "--reserve", type=click.FloatRange(0, 0.95), help="The share of each limit kept for urgent jobs, such as 0.1."
)
@click.option("--clear", is_flag=True, help="Forget what was set and learned; what code declares counts again.")
@json_option
def budget(connection_id: int, clear: bool, as_json: bool, **limits: Any) -> None:
    """Show a connection's budget; with limits, set them first."""
    from cli.output import print_json, print_table
    from infra.postgres.budget_settings import clear_budget, forecasts_of
    from infra.postgres.budgets import show_budgets
    from infra.postgres.connections import read_connection

    settings = current_settings()
    given = {name: value for name, value in limits.items() if value is not None}
    with database_connection(settings) as connection:
        read_connection(connection, connection_id)
        if clear:
            clear_budget(connection, connection_id)
        if given:
            _set(connection, connection_id, given)
        lines, forecasts = show_budgets(connection, connection_id), forecasts_of(connection, connection_id)
    if clear or given:
        ring_bell(settings)
    if as_json:
        print_json({"connection_id": connection_id, "windows": lines})
        return
    print_table(lines, _columns(), empty="This connection has no budget: its calls are not limited.")
    for line in lines[:1]:
        if line.blocked_until is not None:
            click.echo(f"No call is made until {line.blocked_until:%Y-%m-%d %H:%M:%S} UTC: {line.blocked_reason}.")
    for forecast in forecasts:
        click.echo(forecast.words)


def _set(connection: psycopg.Connection, connection_id: int, given: Mapping[str, Any]) -> None:
    from infra.postgres.budget_settings import InvalidBudget, set_budget

    try:
        set_budget(connection, connection_id, **given)
    except InvalidBudget as error:
        raise BadInput(error.message) from None


def _columns() -> list[Column[BudgetLine]]:
    from cli.job_views import short_moment
    from cli.output import Column
    from infra.postgres.budget_settings import limit_of

    names = {86_400: "per day", 3_600: "per hour", 60: "per minute", 0: "at the same time"}

    def left(line: BudgetLine) -> int:
        return max(0, limit_of(line) - line.spent - line.foreign_calls - line.lent)

    return [
        Column("Window", lambda line: names.get(line.window_seconds, f"{line.window_seconds} s")),
        Column("Limit", lambda line: line.call_limit, right=True),
        Column("From", lambda line: "code" if line.source == "declared" else "a person"),
        Column("Learned", lambda line: "" if line.learned_limit is None else line.learned_limit, right=True),
        Column("Reserve", lambda line: f"{line.reserve:.0%}" if line.reserve else "", right=True),
        Column("Spent", lambda line: line.spent, right=True),
        Column("By others", lambda line: line.foreign_calls, right=True),
        Column("Lent", lambda line: line.lent, right=True),
        Column("Left", left, right=True),
        Column("Learned (UTC)", lambda line: short_moment(line.learned_at)),
    ]
