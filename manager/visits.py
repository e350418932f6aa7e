"""Assuming an account: an operator sees it as its own people do, read-only and masked, for half an hour at most."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from infra.permissions import Permission
from infra.postgres.accounts import find_account
from infra.postgres.principals import open_visit_session
from infra.postgres.visits import (
    MAX_REASON,
    MIN_REASON,
    Visit,
    VisitState,
    ask_visit,
    assume_policy,
    begin_visit,
    end_visit,
    list_visits,
    visits_of,
)
from infra.principal import VISIT_MINUTES
from manager.account.principals import account_secret, keep_account_secret
from manager.acting import acting
from manager.audit import note
from manager.deps import Deps
from manager.roles import User, current_user, requires
from manager.unmasking import add_unmasking
from retinue.errors import NotAllowed

#: Earlier visits of the account on the form.
SHOWN = 10


def visits_blueprint(deps: Deps) -> Blueprint:
    """The form of an account, and what an operator does with a visit."""
    blueprint = Blueprint("visits", __name__)
    _add_asking(blueprint, deps)
    _add_going(blueprint, deps)
    add_unmasking(blueprint, deps)
    return blueprint


def _add_asking(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.get("/accounts/<int:account_id>/assume")
    @requires(Permission.ACCOUNT_ASSUME)
    def form(account_id: int) -> str:
        with deps.database.transaction() as connection:
            account = find_account(connection, str(account_id))
            told = {
                "policy": assume_policy(connection, account_id),
                "visits": list_visits(connection, account_id=account_id, limit=SHOWN),
                "own": visits_of(connection, _person().id or 0),
            }
        return render_template("visits/form.html", account=account, minutes=VISIT_MINUTES, **_lengths(), **told)

    @blueprint.post("/accounts/<int:account_id>/assume")
    @requires(Permission.ACCOUNT_ASSUME)
    def assume(account_id: int) -> Response:
        person = _person()
        ticket = request.form.get("ticket", "").strip() or None
        with acting(deps) as connection:
            visit = ask_visit(
                connection,
                account_id=account_id,
                person_id=person.id or 0,
                person_name=person.name,
                reason=request.form.get("reason", ""),
                ticket_url=ticket,
            )
            _note(connection, "account.assume", visit)
            secret = open_visit_session(connection, visit.id) if visit.state is VisitState.OPEN else None
        return _entered(secret) if secret else _asked(visit)


def _add_going(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/visits/<int:visit_id>/begin")
    @requires(Permission.ACCOUNT_ASSUME)
    def begin(visit_id: int) -> Response:
        with acting(deps) as connection:
            visit = begin_visit(connection, visit_id, person_id=_person().id or 0)
            _note(connection, "account.assume", visit)
            secret = open_visit_session(connection, visit.id)
        return _entered(secret)

    @blueprint.post("/visits/leave")
    @requires(Permission.ACCOUNT_ASSUME)
    def leave() -> Response:
        with acting(deps) as connection:
            ended = [one for one in visits_of(connection, _person().id or 0) if one.state is VisitState.OPEN]
            for visit in ended:
                end_visit(connection, visit.id)
                _note(connection, "account.leave", visit)
        if account_secret() is not None:
            keep_account_secret(None)
        flash("You have left the account.", "good")
        if ended:
            return redirect(url_for("accounts.page", account_id=ended[0].account_id), 303)
        return redirect(url_for("accounts.index"), 303)


def _person() -> User:
    """Who asks: a token and a name with its password assume nothing, for nobody sits before them."""
    user = current_user()
    if not user.is_person or user.id is None:
        raise NotAllowed("Only somebody who has signed in assumes an account.")
    return user


def _entered(secret: str) -> Response:
    keep_account_secret(secret)
    return redirect(url_for("account.connections"), 303)


def _asked(visit: Visit) -> Response:
    flash(f"The admins of {visit.account_name} are asked: you can begin as soon as one of them lets you.", "info")
    return redirect(url_for("visits.form", account_id=visit.account_id), 303)


def _note(connection: Any, action: str, visit: Visit) -> None:
    detail = {"reason": visit.reason, "ticket": visit.ticket_url, "state": visit.state}
    note(connection, action, "visit", visit.id, account_id=visit.account_id, **detail)


def _lengths() -> dict[str, int]:
    return {"min_reason": MIN_REASON, "max_reason": MAX_REASON}
