"""The page of a connection."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Blueprint, render_template

from infra.postgres.account_states import lanes_of, sources_of
from infra.postgres.audit import actions_on
from infra.postgres.budget_settings import NAMES, forecasts_of, limit_of
from infra.postgres.budgets import BudgetLine, show_budgets
from infra.postgres.connections import ConnectionLine, list_connections
from infra.postgres.imports import imports_of, progress_words
from infra.postgres.incidents import list_incidents
from infra.postgres.schedule_lines import list_connection_schedules
from manager.deps import Deps
from manager.roles import Role, requires
from retinue.errors import NotFound

#: Incidents of the past, and actions of operators, that the page shows.
SHOWN_INCIDENTS, SHOWN_ACTIONS = 10, 10

WINDOWS = {86_400: "in any 24 hours", 3_600: "in any hour", 60: "in any minute", 0: "at the same time"}


def add_pages(blueprint: Blueprint, deps: Deps) -> None:
    """For everybody who may look."""

    @deps.live.part("connections.state")
    def part(given: dict[str, str]) -> str:
        with deps.database.transaction() as connection:
            told = _told(connection, int(given["connection"]))
        return render_template("connections/_state.html", **told)

    @blueprint.get("/<int:connection_id>")
    @requires(Role.VIEWER)
    def page(connection_id: int) -> str:
        with deps.database.transaction() as connection:
            told = _told(connection, connection_id)
            told["incidents"] = list_incidents(
                connection, connection_id=connection_id, resolved=True, limit=SHOWN_INCIDENTS
            )
            told["schedules"] = list_connection_schedules(connection, connection_id)
            told["did"] = actions_on(connection, "connection", connection_id, limit=SHOWN_ACTIONS)
        return render_template("connections/page.html", **told)

    @blueprint.get("/<int:connection_id>/resync")
    @requires(Role.OPERATOR)
    def confirm_resync(connection_id: int) -> str:
        with deps.database.transaction() as connection:
            line = find_connection(connection, connection_id)
            sources = sources_of(connection, connection_id)
        return render_template("connections/resync.html", connection=line, sources=sources)


def find_connection(connection: psycopg.Connection, connection_id: int) -> ConnectionLine:
    """One connection.

    Raises:
        NotFound: there is none.
    """
    found = list_connections(connection, connection_id=connection_id, limit=1)
    if not found:
        raise NotFound(f"There is no connection {connection_id}.")
    return found[0]


def _told(connection: psycopg.Connection, connection_id: int) -> dict[str, Any]:
    line = find_connection(connection, connection_id)
    found = imports_of(connection, [connection_id]).get(connection_id)
    lanes = lanes_of(connection, connection_id)
    budgets, sources = show_budgets(connection, connection_id), sources_of(connection, connection_id)
    return {
        "connection": line,
        "import_": found,
        "import_words": progress_words(found),
        "sources": sources,
        "held": sum(source.held or 0 for source in sources),
        "lanes": lanes,
        "paused": any(hold["kind"] == "pause" for lane in lanes for hold in lane.holds),
        "budgets": [_budget(budget) for budget in budgets],
        "blocked": budgets[0] if budgets and budgets[0].blocked_until is not None else None,
        "forecasts": forecasts_of(connection, connection_id),
        "open_incidents": list_incidents(connection, connection_id=connection_id, limit=SHOWN_INCIDENTS),
    }


def _budget(line: BudgetLine) -> dict[str, Any]:
    used = line.lent if line.window_seconds == 0 else line.spent + line.foreign_calls + line.lent
    return {
        "line": line,
        "name": NAMES.get(line.window_seconds),
        "words": WINDOWS.get(line.window_seconds, f"in any {line.window_seconds} seconds"),
        "limit": limit_of(line),
        "used": used,
    }
