"""What operators do with a connection."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from infra.postgres import connection_actions as actions
from infra.postgres.budget_settings import NAMES, clear_budget, set_budget
from infra.words import counted
from manager.acting import acting
from manager.audit import note
from manager.connections.pages import find_connection
from manager.deps import Deps
from manager.roles import Role, current_user, requires

#: The longest reason of a pause, in characters.
MAX_REASON = 500


def add_actions(blueprint: Blueprint, deps: Deps) -> None:
    """Each a small POST."""
    _add_running(blueprint, deps)
    _add_lanes(blueprint, deps)
    _add_budget(blueprint, deps)


def _add_running(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/<int:connection_id>/try")
    @requires(Role.OPERATOR)
    def try_now(connection_id: int) -> Response:
        with acting(deps) as connection:
            tried = actions.try_now(connection, connection_id)
            _note(connection, "connection.try", connection_id, jobs=list(tried.jobs))
        probe = " Its next job is the probe of its incident." if tried.incidents else ""
        return _told(connection_id, f"{_jobs(tried.jobs)} tries it now.{probe}")

    @blueprint.post("/<int:connection_id>/resync")
    @requires(Role.OPERATOR)
    def resync(connection_id: int) -> Response:
        names = request.form.getlist("object")
        with acting(deps) as connection:
            jobs = actions.resync(connection, connection_id, names)
            _note(connection, "connection.resync", connection_id, objects=names, jobs=jobs)
        return _told(connection_id, f"{_jobs(jobs)} begins to read it anew.")


def _add_lanes(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/<int:connection_id>/pause")
    @requires(Role.OPERATOR)
    def pause(connection_id: int) -> Response:
        reason = request.form.get("reason", "").strip()[:MAX_REASON] or f"paused by {current_user().name}"
        with acting(deps) as connection:
            types = actions.pause_connection(connection, connection_id, reason=reason)
            _note(connection, "connection.pause", connection_id, reason=reason, types=types)
        return _told(connection_id, f"{counted(len(types), 'lane')} paused. What runs goes on.")

    @blueprint.post("/<int:connection_id>/resume")
    @requires(Role.OPERATOR)
    def resume(connection_id: int) -> Response:
        with acting(deps) as connection:
            types = actions.resume_connection(connection, connection_id)
            _note(connection, "connection.resume", connection_id, types=types)
        return _told(connection_id, f"{counted(len(types), 'lane')} resumed.")


def _add_budget(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/<int:connection_id>/budget")
    @requires(Role.OPERATOR)
    def budget(connection_id: int) -> Response:
        given = _limits()
        with acting(deps) as connection:
            find_connection(connection, connection_id)
            set_budget(connection, connection_id, **given)
            _note(connection, "connection.budget", connection_id, **given)
        return _told(connection_id, "The budget is set.")

    @blueprint.post("/<int:connection_id>/budget/clear")
    @requires(Role.OPERATOR)
    def clear(connection_id: int) -> Response:
        with acting(deps) as connection:
            clear_budget(connection, connection_id)
            _note(connection, "connection.budget_clear", connection_id)
        return _told(connection_id, "What was set and learned is forgotten. What code declares comes back.")


def _limits() -> dict[str, Any]:
    """What the form says, without the fields that are empty.

    Raises:
        BadRequest: something is no number, or nothing was given.
    """
    texts = {name: request.form.get(name, "").strip() for name in (*NAMES.values(), "reserve_percent")}
    try:
        given: dict[str, Any] = {name: _whole(text) for name, text in texts.items() if text}
    except ValueError:
        raise BadRequest("A limit is a whole number of calls.") from None
    if not given:
        raise BadRequest("Give a limit, or a reserve.")
    reserve = given.pop("reserve_percent", None)
    return given if reserve is None else given | {"reserve": reserve / 100}


def _whole(text: str) -> int:
    # Longer ones are more than any service allows, and take long to read.
    if len(text) > 18:
        raise ValueError("no number of calls")
    return int(text)


def _note(connection: psycopg.Connection, action: str, connection_id: int, **detail: Any) -> None:
    line = find_connection(connection, connection_id)
    note(connection, action, "connection", connection_id, account_id=line.account_id, **detail)


def _jobs(jobs: Any) -> str:
    return f"Job {', '.join(map(str, jobs))}"


def _told(connection_id: int, sentence: str) -> Response:
    flash(sentence, "good")
    return redirect(url_for("connections.page", connection_id=connection_id), 303)
