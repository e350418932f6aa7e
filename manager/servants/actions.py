"""What operators ask of a servant."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from infra.postgres.servants import find_servant, request_servant
from infra.roles import Role
from manager.acting import acting
from manager.audit import note
from manager.back import back
from manager.deps import Deps
from manager.heartbeats import Patience
from manager.roles import requires
from manager.servants.views import view_of
from retinue.servant_requests import ServantRequest


def add_actions(blueprint: Blueprint, deps: Deps) -> None:
    """Drain and restart; a restart is asked for twice, because jobs may be handed back."""
    patience = Patience.with_servants(deps.settings)

    @blueprint.post("/<int:servant_id>/drain")
    @requires(Role.OPERATOR)
    def drain(servant_id: int) -> Response:
        return _ask(deps, servant_id, ServantRequest.DRAIN)

    @blueprint.get("/<int:servant_id>/restart/confirm")
    @requires(Role.OPERATOR)
    def confirm_restart(servant_id: int) -> str:
        with deps.database.transaction() as connection:
            servant = view_of(find_servant(connection, servant_id), patience)
        grace = deps.settings.drain_grace_seconds
        return render_template("servants/restart.html", servant=servant, grace_seconds=grace)

    @blueprint.post("/<int:servant_id>/restart")
    @requires(Role.OPERATOR)
    def restart(servant_id: int) -> Response:
        return _ask(deps, servant_id, ServantRequest.RESTART)


def _ask(deps: Deps, servant_id: int, wanted: ServantRequest) -> Response:
    with acting(deps) as connection:
        request_servant(connection, servant_id, wanted)
        line = find_servant(connection, servant_id)
        note(connection, f"servant.{wanted}", "servant", servant_id, type=line.type, host=line.host, pid=line.pid)
    within = deps.settings.heartbeat_seconds
    flash(f"Servant {servant_id} is asked to {wanted}: it hears of it within {within:g} s.", "good")
    return redirect(back(url_for("servants.page", servant_id=servant_id)), 303)
