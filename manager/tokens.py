"""Tokens with which programs use the API."""

from __future__ import annotations

from datetime import timedelta

import psycopg
from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from infra.postgres import api_tokens
from infra.postgres.accounts import find_account
from infra.roles import Role
from manager.audit import note
from manager.deps import Deps
from manager.paging import before_of_address, older_page
from manager.people.actions import role_in_form
from manager.roles import current_user, requires

#: Tokens on one page.
SHOWN = 100

#: How long a token may be made to last, in days; 0 is for ever.
LASTS_DAYS = (30, 90, 365, 0)


def tokens_blueprint(deps: Deps) -> Blueprint:
    """For admins alone."""
    blueprint = Blueprint("tokens", __name__, url_prefix="/tokens")
    _add_pages(blueprint, deps)
    _add_actions(blueprint, deps)
    return blueprint


def _add_pages(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.get("")
    @requires(Role.ADMIN)
    def index() -> str:
        with deps.database.transaction() as connection:
            found = api_tokens.list_tokens(connection, before=before_of_address(), limit=SHOWN + 1)
        return render_template("tokens/index.html", tokens=found[:SHOWN], older=older_page(found, SHOWN))

    @blueprint.get("/new")
    @requires(Role.ADMIN)
    def new() -> str:
        return render_template("tokens/new.html", roles=list(Role), lasts=LASTS_DAYS)

    @blueprint.get("/<int:token_id>/revoke/confirm")
    @requires(Role.ADMIN)
    def confirm_revoke(token_id: int) -> str:
        with deps.database.transaction() as connection:
            token = api_tokens.find_token(connection, token_id)
        return render_template("tokens/revoke.html", token=token)


def _add_actions(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("")
    @requires(Role.ADMIN)
    def create() -> str:
        with deps.database.transaction() as connection:
            token_id, secret = _make(deps, connection)
            token = api_tokens.find_token(connection, token_id)
        # Not a redirect: the token is shown this once, and is nowhere else.
        return render_template("tokens/made.html", token=token, secret=secret)

    @blueprint.post("/<int:token_id>/revoke")
    @requires(Role.ADMIN)
    def revoke(token_id: int) -> Response:
        with deps.database.transaction() as connection:
            token = api_tokens.revoke_token(connection, token_id)
            note(connection, "token.revoke", "token", token.id, name=token.name, account_id=token.account_id)
        deps.remembered.forget_token(token_id)
        flash(f"The token {token.name} is revoked.", "good")
        return redirect(url_for("tokens.index"), 303)


def _make(deps: Deps, connection: psycopg.Connection) -> tuple[int, str]:
    name, role, lasts = request.form.get("name", "").strip(), role_in_form(), _lasts_in_form()
    account = request.form.get("account", "").strip()
    account_id = find_account(connection, account).id if account else None
    token_id, secret = api_tokens.add_token(
        connection,
        name,
        role,
        created_by=current_user().name,
        person_id=_owner_id(deps),
        account_id=account_id,
        lasts=lasts,
    )
    days = None if lasts is None else lasts.days
    note(connection, "token.add", "token", token_id, name=name, role=role, days=days, account_id=account_id)
    return token_id, secret


def _owner_id(deps: Deps) -> int | None:
    """Whose a token is that is made now; the settings' user's are nobody's, as those of the command line."""
    user = current_user()
    return None if user.name.lower() == deps.settings.manager_user.lower() else user.id


def _lasts_in_form() -> timedelta | None:
    text = request.form.get("days", "")
    if text not in map(str, LASTS_DAYS):
        raise BadRequest("A token lasts as long as one of the choices says.")
    return timedelta(days=int(text)) if text != "0" else None
