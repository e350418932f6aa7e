"""What an account has connected: whether it is in step, what to mend, and how far the first sync is."""

from __future__ import annotations

from flask import Blueprint, request

from infra.permissions import Permission
from infra.postgres.account_view.connections import view_connection, view_connections
from manager.account.principals import current_principal
from manager.account.salesforce import offered
from manager.account.shown import account_page
from manager.deps import Deps
from manager.roles import requires


def add_connections(blueprint: Blueprint, deps: Deps) -> None:
    """The first page of an account, and one connection."""

    @blueprint.get("")
    @requires(Permission.OWN_LOOK)
    def connections() -> str:
        principal = current_principal()
        with deps.accounts.session(principal) as connection:
            page = view_connections(connection, principal.account_id, after=request.args.get("after"))
        shown = {"connection": [line.id for line in page.items]}
        return account_page("account/connections.html", shown=shown, page=page)

    @blueprint.get("/connections/<int:connection_id>")
    @requires(Permission.OWN_LOOK)
    def connection(connection_id: int) -> str:
        principal = current_principal()
        with deps.accounts.session(principal) as bound:
            found = view_connection(bound, principal.account_id, connection_id)
        return account_page(
            "account/connection.html",
            shown={"connection": [connection_id]},
            line=found.connection,
            sources=found.sources,
            **offered(deps),
        )
