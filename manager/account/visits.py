"""Which operators looked at the account, when and why; its admins say whether they may."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from infra.permissions import Permission
from infra.postgres.visits import AssumePolicy, assume_policy, decide_visit, list_visits, set_assume_policy
from manager.account.acts import acting_member
from manager.account.principals import current_principal
from manager.account.shown import account_page
from manager.deps import Deps
from manager.paging import before_of_address, older_page
from manager.roles import requires

#: Visits on one page.
SHOWN = 50

_SAID = {
    AssumePolicy.ALLOWED: "Support may look at your account whenever it has a reason.",
    AssumePolicy.APPROVAL: "Support may look at your account when an admin lets it.",
    AssumePolicy.OFF: "Nobody of support may look at your account. Whoever did has been put out.",
}


def add_visits(blueprint: Blueprint, deps: Deps) -> None:
    """The list, what admins decide about one, and what they decide about all."""

    @blueprint.get("/visits")
    @requires(Permission.OWN_LOOK)
    def visits() -> str:
        principal = current_principal()
        with deps.accounts.session(principal) as connection:
            policy = assume_policy(connection, principal.account_id)
            found = list_visits(
                connection, account_id=principal.account_id, before=before_of_address(), limit=SHOWN + 1
            )
        return account_page(
            "account/visits.html",
            shown={"visit": [one.id for one in found[:SHOWN]]},
            visits=found[:SHOWN],
            older=older_page(found, SHOWN),
            policy=policy,
            policies=list(AssumePolicy),
        )

    @blueprint.post("/visits/<int:visit_id>/decide")
    @requires(Permission.OWN_RULE)
    def decide(visit_id: int) -> Response:
        granted, principal = "grant" in request.form, current_principal()
        with acting_member(deps) as (connection, note):
            visit = decide_visit(
                connection, visit_id, account_id=principal.account_id, by=principal.name, granted=granted
            )
            note("visit.grant" if granted else "visit.refuse", "visit", visit_id)
        return _told(f"{visit.person_name} may look now." if granted else f"{visit.person_name} may not look.")

    @blueprint.post("/visits/policy")
    @requires(Permission.OWN_RULE)
    def policy() -> Response:
        try:
            wanted = AssumePolicy(request.form.get("policy", ""))
        except ValueError:
            raise BadRequest("There is no such choice.") from None
        with acting_member(deps) as (connection, note):
            account_id = current_principal().account_id
            before = set_assume_policy(connection, account_id, wanted)
            note("account.assume_policy", "account", account_id, before=before, after=wanted)
        return _told(_SAID[wanted])


def _told(sentence: str) -> Response:
    flash(sentence, "good")
    return redirect(url_for("account.visits"), 303)
