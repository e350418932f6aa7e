"""The accounts: how each stands, its connections, how well it is served, and what it costs."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Blueprint, Response, jsonify, render_template, request, url_for

from infra.postgres.account_states import account_state, list_account_states
from infra.postgres.anomalies import list_anomalies
from infra.postgres.connections import list_connections
from infra.postgres.costs import Prices, costs_of_account
from infra.postgres.figures import figures
from infra.postgres.imports import imports_of
from infra.postgres.incidents import list_incidents
from infra.postgres.schedules import database_now
from manager.charts import SPANS, Choice, chart_json, chosen_span
from manager.charts.work import Work, show_work
from manager.deps import Deps
from manager.paging import address
from manager.roles import Role, current_user, requires
from retinue.errors import NotFound

#: Accounts on one page.
SHOWN = 50

#: Connections, incidents and anomalies on an account's page.
SHOWN_CONNECTIONS, SHOWN_TROUBLES = 200, 20


def accounts_blueprint(deps: Deps) -> Blueprint:
    """`/accounts` and each one's page."""
    blueprint = Blueprint("accounts", __name__, url_prefix="/accounts")
    _add_list(blueprint, deps)
    _add_page(blueprint, deps)
    return blueprint


def _add_list(blueprint: Blueprint, deps: Deps) -> None:
    def listed(given: dict[str, str]) -> dict[str, Any]:
        with deps.database.transaction() as connection:
            found = list_account_states(
                connection,
                named=given.get("named"),
                troubled="troubled" in given,
                after=given.get("after"),
                limit=SHOWN + 1,
            )
        return {"accounts": found[:SHOWN], "more": len(found) > SHOWN, "filtered": bool(given)}

    @deps.live.part("accounts.list")
    def part(given: dict[str, str]) -> str:
        return render_template("accounts/_list.html", **listed(given))

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        given = {name: text for name in ("named", "troubled", "after") if (text := request.args.get(name, "").strip())}
        told = listed(given)
        older = address(after=told["accounts"][-1].name) if told["more"] else None
        first = address(after=None) if "after" in given else None
        return render_template("accounts/index.html", given=given, older=older, first=first, **told)


def _add_page(blueprint: Blueprint, deps: Deps) -> None:
    @deps.live.part("accounts.state")
    def part(given: dict[str, str]) -> str:
        with deps.database.transaction() as connection:
            return render_template("accounts/_state.html", **_state(connection, int(given["account"])))

    @blueprint.get("/<int:account_id>")
    @requires(Role.VIEWER, one_account=True)
    def page(account_id: int) -> str:
        _keep_to_own(account_id)
        choice = chosen_span(request.args.get("span"))
        with deps.database.transaction() as connection:
            told = _state(connection, account_id)
            shares = costs_of_account(connection, account_id, database_now(connection))
        return render_template(
            "accounts/page.html",
            spans=_spans(account_id, choice),
            work=_work(deps, account_id, choice),
            shares=shares,
            prices=Prices.of(deps.settings),
            **told,
        )

    @blueprint.get("/<int:account_id>/charts/<name>")
    @requires(Role.VIEWER, one_account=True)
    def chart(account_id: int, name: str) -> Response:
        _keep_to_own(account_id)
        choice = chosen_span(request.args.get("span"))
        return jsonify(chart_json(_work(deps, account_id, choice).chart(name)))


def _keep_to_own(account_id: int) -> None:
    """A token of one account sees that one, and does not learn whether there are others."""
    own = current_user().account_id
    if own is not None and own != account_id:
        raise NotFound(f"There is no account {account_id}.")


def _state(connection: psycopg.Connection, account_id: int) -> dict[str, Any]:
    account = account_state(connection, account_id)
    connections = list_connections(connection, account_id=account_id, limit=SHOWN_CONNECTIONS)
    return {
        "account": account,
        "connections": connections,
        "imports": imports_of(connection, [line.id for line in connections]),
        "incidents": list_incidents(connection, account_id=account_id, limit=SHOWN_TROUBLES),
        "anomalies": list_anomalies(connection, account_id=account_id, limit=SHOWN_TROUBLES),
    }


def _work(deps: Deps, account_id: int, choice: Choice) -> Work:
    now = deps.clock.now()
    return show_work(figures(deps.database, choice.until(now), account_id=account_id), choice, now)


def _spans(account_id: int, chosen: Choice) -> list[tuple[str, str, bool]]:
    return [
        (choice.name.capitalize(), url_for("accounts.page", account_id=account_id, span=choice.name), choice is chosen)
        for choice in SPANS.values()
    ]
