"""The people of an account's mail and calendars, what there was with each, and a search over everything."""

from __future__ import annotations

from flask import Blueprint, request

from infra.permissions import Permission
from infra.postgres.account_view.crm_contacts import crm_contacts_of_person
from infra.postgres.account_view.people import PeopleOrder, view_people, view_person
from infra.postgres.account_view.search import Found, search
from infra.postgres.account_view.timeline import Entry, Mail, Meeting, view_timeline
from manager.account.orders import order_of_address
from manager.account.principals import current_principal
from manager.account.shown import Shown, account_page
from manager.deps import Deps
from manager.roles import requires


def add_people(blueprint: Blueprint, deps: Deps) -> None:
    """The list, one person with their timeline, and the search."""

    @blueprint.get("/people")
    @requires(Permission.OWN_LOOK)
    def people() -> str:
        principal, order = current_principal(), order_of_address(PeopleOrder)
        with deps.accounts.session(principal) as connection:
            page = view_people(connection, principal.account_id, order=order, after=request.args.get("after"))
        return account_page(
            "account/people.html", shown={"person": [one.id for one in page.items]}, page=page, order=order
        )

    @blueprint.get("/people/<int:person_id>")
    @requires(Permission.OWN_LOOK)
    def person(person_id: int) -> str:
        principal = current_principal()
        with deps.accounts.session(principal) as connection:
            found = view_person(connection, principal.account_id, person_id)
            known_as = crm_contacts_of_person(connection, principal.account_id, person_id)
            page = view_timeline(connection, principal.account_id, person_id, after=request.args.get("after"))
        shown: Shown = {"person": [person_id], "crm_contact": [one.external_id for one in known_as]}
        shown = {**shown, **_shown(page.items)}
        return account_page("account/person.html", shown=shown, found=found, known_as=known_as, page=page)

    @blueprint.get("/search")
    @requires(Permission.OWN_LOOK)
    def search_page() -> str:
        principal, text = current_principal(), request.args.get("q", "").strip()[:200]
        with deps.accounts.session(principal) as connection:
            found = search(connection, principal.account_id, text, masked=principal.is_assumed)
        return account_page("account/search.html", shown=_found(found), found=found, text=text)


def _shown(entries: list[Entry]) -> Shown:
    return {
        "message": [one.id for one in entries if isinstance(one, Mail)],
        "event": [one.id for one in entries if isinstance(one, Meeting)],
        "activity": [one.external_id for one in entries if not isinstance(one, Mail | Meeting)],
    }


def _found(found: Found) -> Shown:
    return {
        "person": [one.id for one in found.people],
        "opportunity": [one.external_id for one in found.opportunities],
        "crm_contact": [one.external_id for one in found.crm_contacts],
        "message": [one.id for one in found.messages],
    }
