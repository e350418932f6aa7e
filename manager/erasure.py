"""Erasing an account, as an admin orders it: its name is typed anew, and a job does the rest."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from infra.permissions import Permission
from infra.postgres.accounts import find_account
from infra.postgres.erasure_orders import NameDiffers, order_erasure
from manager.acting import acting
from manager.audit import actor
from manager.deps import Deps
from manager.roles import current_user, requires

#: The longest reason, in characters.
MAX_REASON = 500


def erasure_blueprint(deps: Deps) -> Blueprint:
    """`/accounts/7/erase`."""
    blueprint = Blueprint("erasure", __name__, url_prefix="/accounts/<int:account_id>/erase")

    @blueprint.get("")
    @requires(Permission.ACCOUNT_ERASE)
    def form(account_id: int) -> str:
        with deps.database.transaction() as connection:
            account = find_account(connection, str(account_id))
        return render_template("accounts/erase.html", account=account, max_reason=MAX_REASON)

    @blueprint.post("")
    @requires(Permission.ACCOUNT_ERASE)
    def erase(account_id: int) -> Response:
        reason, name = request.form.get("reason", "").strip(), request.form.get("name", "")
        if not 1 <= len(reason) <= MAX_REASON:
            raise BadRequest("Say why it is erased. The reason stays in the audit, so it names nobody.")
        try:
            with acting(deps) as connection:
                who = actor(current_user())
                job = order_erasure(connection, who, account_id, reason=reason, typed_name=name)
        except NameDiffers:
            raise BadRequest("That is not the account's name: nothing was erased.") from None
        flash(f"Job {job} erases the account.", "good")
        return redirect(url_for("jobs.page", job_id=job), 303)

    return blueprint
