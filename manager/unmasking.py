"""Seeing one masked value of an account that one has assumed: for a reason of its own, and with an entry of its own."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from werkzeug.exceptions import Forbidden

from infra.permissions import Permission
from infra.postgres.unmask import Place, unmask
from infra.postgres.visits import MAX_REASON, MIN_REASON, Visit, VisitState, count_unmasked, visits_of
from manager.acting import acting
from manager.audit import note
from manager.back import own_path
from manager.deps import Deps
from manager.roles import current_user, requires
from retinue.errors import NotAllowed


def add_unmasking(blueprint: Blueprint, deps: Deps) -> None:
    """The question, and the answer, which is shown this once."""

    @blueprint.get("/visits/unmask")
    @requires(Permission.ACCOUNT_UNMASK)
    def ask_unmask() -> str:
        return render_template(
            "visits/unmask.html", place=_place(), visit=_visit(deps), min_reason=MIN_REASON, max_reason=MAX_REASON
        )

    @blueprint.post("/visits/unmask")
    @requires(Permission.ACCOUNT_UNMASK)
    def unmask_one() -> str:
        place, visit, reason = _place(), _visit(deps), request.form.get("reason", "").strip()
        if not MIN_REASON <= len(reason) <= MAX_REASON:
            raise NotAllowed(f"Say why, in {MIN_REASON} to {MAX_REASON} characters.")
        with acting(deps) as connection:
            value = unmask(connection, visit.account_id, place)
            count_unmasked(connection, visit.id)
            detail = {"visit": visit.id, "field": place.field, "reason": reason}
            note(connection, "account.unmask", place.kind, place.id, account_id=visit.account_id, **detail)
        back = own_path(request.form.get("back")) or "/account"
        # Not a redirect: it is shown this once, after its entry has been written.
        return render_template("visits/unmasked.html", place=place, visit=visit, value=value, back=back)


def _place() -> Place:
    given = request.values
    return Place(given.get("kind", "")[:40], given.get("id", "")[:200], given.get("field", "")[:100])


def _visit(deps: Deps) -> Visit:
    with deps.database.transaction() as connection:
        found = [one for one in visits_of(connection, current_user().id or 0) if one.state is VisitState.OPEN]
    if not found:
        raise Forbidden("You have not assumed an account.")
    return found[0]
