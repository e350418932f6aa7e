"""One type of work: its queue, its servants, its limits; pause and resume it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from infra.logs import get_logger
from infra.postgres.audit import actions_on
from infra.postgres.lanes import list_backlogs, list_lanes, unknown_type
from infra.postgres.types import declare_type_limits, list_types, pause_type, set_type_limits
from infra.queues.transport import QueueDepth
from infra.roles import Role
from manager.acting import acting
from manager.audit import note
from manager.back import back
from manager.deps import Deps
from manager.lanes.actions import limit_in_form
from manager.roles import requires
from manager.seen import check_seen
from retinue.errors import NotAllowed, TransientError

#: Held lanes, and accounts with a backlog, on a type's page.
SHOWN = 10

log = get_logger(__name__)


def add_types(blueprint: Blueprint, deps: Deps) -> None:
    """The page of one type, and the page that asks before it is paused."""

    @blueprint.get("/types/<job_type>")
    @requires(Role.VIEWER)
    def type_page(job_type: str) -> str:
        told = _one(deps, job_type)
        with deps.database.transaction() as connection:
            did = actions_on(connection, "type", job_type)
        return render_template("lanes/type.html", did=did, depth=_depth(deps, job_type), **told)

    @blueprint.get("/types/<job_type>/pause/confirm")
    @requires(Role.OPERATOR)
    def confirm_pause(job_type: str) -> str:
        return render_template("lanes/pause_type.html", **_one(deps, job_type))

    @deps.live.part("lanes.type")
    def type_part(given: dict[str, str]) -> str:
        return render_template("lanes/_type.html", **_one(deps, given["type"]))


def add_type_actions(blueprint: Blueprint, deps: Deps) -> None:
    """Pause, resume and limits."""

    @blueprint.post("/types/<job_type>/pause")
    @requires(Role.OPERATOR)
    def pause_all(job_type: str) -> Response:
        return _pause(deps, job_type, paused=True)

    @blueprint.post("/types/<job_type>/resume")
    @requires(Role.OPERATOR)
    def resume_all(job_type: str) -> Response:
        return _pause(deps, job_type, paused=False)

    @blueprint.post("/types/<job_type>/limits")
    @requires(Role.OPERATOR)
    def set_limits(job_type: str) -> Response:
        declared = "declared" in request.form
        with acting(deps) as connection:
            limits = None if declared else _limits()
            if limits is None:
                declare_type_limits(connection, job_type)
            else:
                check_seen(connection, f"type {job_type}", lambda: _shown(deps, connection, job_type))
                _set(connection, job_type, **limits)
            note(connection, "type.limits", "type", job_type, **(limits or {"declared": True}))
        return _told(job_type, f"{job_type} has {'its declared limits again' if declared else 'new limits'}.")


def _one(deps: Deps, job_type: str) -> dict[str, Any]:
    with deps.database.transaction() as connection:
        found = list_types(connection, alive_seconds=deps.settings.lease_seconds, type=job_type)
        if not found:
            raise unknown_type(job_type)
        held = list_lanes(connection, type=job_type, held=True, limit=SHOWN + 1)
        backlogs = list_backlogs(connection, type=job_type, limit=SHOWN + 1)
    return {
        "kind": found[0],
        "held": held[:SHOWN],
        "more_held": len(held) > SHOWN,
        "backlogs": backlogs[:SHOWN],
        "more_backlogs": len(backlogs) > SHOWN,
    }


def _depth(deps: Deps, job_type: str) -> QueueDepth | None:
    """What lies on its queue, asked when the page is loaded and not by its live part: each look is a paid call."""
    try:
        return deps.queues.depth(job_type)
    except TransientError as error:
        log.warning("queue_depth_unknown", type=job_type, error=str(error))
        return None


def _pause(deps: Deps, job_type: str, *, paused: bool) -> Response:
    with acting(deps) as connection:
        pause_type(connection, job_type, paused=paused)
        note(connection, "type.pause" if paused else "type.resume", "type", job_type)
    said = "paused: nothing more of it starts" if paused else "resumed"
    return _told(job_type, f"{job_type} is {said}.")


def _shown(deps: Deps, connection: psycopg.Connection, job_type: str) -> Sequence[int | None]:
    found = list_types(connection, alive_seconds=deps.settings.lease_seconds, type=job_type)
    return [found[0].lane_limit, found[0].type_limit] if found else []


def _limits() -> dict[str, int | None]:
    return {name: limit_in_form(name) for name in ("lane_limit", "type_limit")}


def _set(connection: Any, job_type: str, *, lane_limit: int | None, type_limit: int | None) -> None:
    try:
        set_type_limits(connection, job_type, lane_limit=lane_limit, type_limit=type_limit)
    except ValueError as error:
        raise NotAllowed(f"{str(error).capitalize()}.") from error


def _told(job_type: str, sentence: str) -> Response:
    flash(sentence, "good")
    return redirect(back(url_for("lanes.type_page", job_type=job_type)), 303)
