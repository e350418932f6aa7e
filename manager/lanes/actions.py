"""What operators do with a lane: pause, resume, set its weight and its limit."""

from __future__ import annotations

import psycopg
from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from infra.postgres.lanes import find_lane, lane_target, pause_lane, resume_lane, set_lane
from infra.roles import Role
from manager.acting import acting
from manager.audit import note
from manager.back import back
from manager.deps import Deps
from manager.roles import requires
from manager.seen import check_seen
from retinue.errors import NotAllowed

#: Why a lane is paused, where nobody said.
NO_REASON = "by hand"


def add_actions(blueprint: Blueprint, deps: Deps) -> None:
    """A lane's name may hold any character, so the form says which lane is meant, not the address."""

    @blueprint.post("/pause")
    @requires(Role.OPERATOR)
    def pause() -> Response:
        job_type, lane = _lane_in_form()
        reason = request.form.get("reason", "").strip()[:200] or NO_REASON
        with acting(deps) as connection:
            pause_lane(connection, job_type, lane, reason=reason)
            note(connection, "lane.pause", "lane", lane_target(job_type, lane), why=reason)
        return _told(job_type, lane, f"{lane} of {job_type} is paused: nothing more of it starts.")

    @blueprint.post("/resume")
    @requires(Role.OPERATOR)
    def resume() -> Response:
        job_type, lane = _lane_in_form()
        with acting(deps) as connection:
            was_held = resume_lane(connection, job_type, lane)
            note(connection, "lane.resume", "lane", lane_target(job_type, lane), was_held=was_held)
        said = "is resumed" if was_held else "was not paused"
        return _told(job_type, lane, f"{lane} of {job_type} {said}.", kind="good" if was_held else "info")

    @blueprint.post("/set")
    @requires(Role.OPERATOR)
    def change() -> Response:
        job_type, lane = _lane_in_form()
        weight, limit = number_in_form("weight", "A weight"), limit_in_form("limit")
        with acting(deps) as connection:
            check_seen(connection, f"lane {job_type} {lane}", lambda: _shown(connection, job_type, lane))
            try:
                set_lane(connection, job_type, lane, weight=weight, limit=limit, keep_limit=False)
            except ValueError as error:
                raise NotAllowed(f"{str(error).capitalize()}.") from error
            note(connection, "lane.set", "lane", lane_target(job_type, lane), weight=weight, limit=limit)
        return _told(job_type, lane, f"{lane} of {job_type} is set.")


def _shown(connection: psycopg.Connection, job_type: str, lane: str) -> tuple[int | None, float]:
    found = find_lane(connection, job_type, lane)
    return found.own_limit, found.weight


def _lane_in_form() -> tuple[str, str]:
    return request.form.get("type", ""), request.form.get("lane", "")


def number_in_form(name: str, what: str) -> float | None:
    """The field's number; None where it is empty.

    Raises:
        NotAllowed: it is none.
    """
    text = request.form.get(name, "").strip()
    try:
        return float(text) if text else None
    except ValueError:
        raise NotAllowed(f"{what} is a number, got {text!r}.") from None


def limit_in_form(name: str) -> int | None:
    """The field's whole number; None where it is empty, which is no limit.

    Raises:
        NotAllowed: it is none.
    """
    number = number_in_form(name, "A limit")
    if number is not None and number != number // 1:
        raise NotAllowed(f"A limit is a whole number, got {number:g}.")
    return None if number is None else int(number)


def _told(job_type: str, lane: str, sentence: str, *, kind: str = "good") -> Response:
    flash(sentence, kind)
    return redirect(back(url_for("lanes.page", type=job_type, lane=lane)), 303)
