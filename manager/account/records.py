"""What an account has in Salesforce: its opportunities, and its contacts there."""

from __future__ import annotations

from flask import Blueprint, request

from infra.permissions import Permission
from infra.postgres.account_view.activities import activities_of_opportunity
from infra.postgres.account_view.crm_contacts import CrmContactOrder, view_crm_contact, view_crm_contacts
from infra.postgres.account_view.opportunities import OpportunityOrder, view_opportunities, view_opportunity
from manager.account.orders import order_of_address
from manager.account.principals import current_principal
from manager.account.shown import account_page
from manager.deps import Deps
from manager.roles import requires


def add_records(blueprint: Blueprint, deps: Deps) -> None:
    """Two lists, and one of each."""
    _add_opportunities(blueprint, deps)
    _add_contacts(blueprint, deps)


def _add_opportunities(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.get("/opportunities")
    @requires(Permission.OWN_LOOK)
    def opportunities() -> str:
        principal, order = current_principal(), order_of_address(OpportunityOrder)
        with deps.accounts.session(principal) as connection:
            page = view_opportunities(connection, principal.account_id, order=order, after=request.args.get("after"))
        shown = {"opportunity": [one.external_id for one in page.items]}
        return account_page("account/opportunities.html", shown=shown, page=page, order=order)

    @blueprint.get("/opportunities/<int:connection_id>/<external_id>")
    @requires(Permission.OWN_LOOK)
    def opportunity(connection_id: int, external_id: str) -> str:
        principal, place = current_principal(), (current_principal().account_id, connection_id, external_id)
        with deps.accounts.session(principal) as connection:
            found = view_opportunity(connection, *place)
            page = activities_of_opportunity(connection, *place, after=request.args.get("after"))
        shown = {"opportunity": [external_id], "activity": [one.external_id for one in page.items]}
        return account_page("account/opportunity.html", shown=shown, found=found, page=page)


def _add_contacts(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.get("/contacts")
    @requires(Permission.OWN_LOOK)
    def contacts() -> str:
        principal, order = current_principal(), order_of_address(CrmContactOrder)
        with deps.accounts.session(principal) as connection:
            page = view_crm_contacts(connection, principal.account_id, order=order, after=request.args.get("after"))
        shown = {"crm_contact": [one.external_id for one in page.items]}
        return account_page("account/contacts.html", shown=shown, page=page, order=order)

    @blueprint.get("/contacts/<int:connection_id>/<external_id>")
    @requires(Permission.OWN_LOOK)
    def contact(connection_id: int, external_id: str) -> str:
        principal = current_principal()
        with deps.accounts.session(principal) as connection:
            found = view_crm_contact(connection, principal.account_id, connection_id, external_id)
        return account_page("account/contact.html", shown={"crm_contact": [external_id]}, found=found)
