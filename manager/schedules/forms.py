"""The forms for a new schedule and for changes to one; what is wrong is said beside what was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from infra.postgres.accounts import InvalidName, find_account
from infra.postgres.ordered_types import ORDERED_TYPES
from infra.postgres.schedule_edits import ScheduleEdit, edit_schedule
from infra.postgres.schedule_lines import ScheduleLine, find_schedule
from infra.postgres.schedules import CATCH_UPS, OVERLAPS, NewSchedule, add_schedule
from infra.roles import Role
from manager.acting import acting
from manager.audit import note
from manager.deps import Deps
from manager.inputs import MAX_DEPTH, is_deeper
from manager.roles import requires
from manager.seen import check_seen
from retinue.errors import InvalidPayload, InvalidSchedule, NotAllowed, NotFound, RetinueError, UnknownType
from retinue.schedule import Cron, Every, Rule
from retinue.servant import registered_types

#: What a form is answered with, beside what was written in it.
_WRONG = (InvalidName, InvalidPayload, InvalidSchedule, NotAllowed, NotFound, UnknownType)

_TOO_DEEP = f"The payload is nested deeper than {MAX_DEPTH} times."

#: Seconds of the units in which an interval is given.
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


def add_forms(blueprint: Blueprint, deps: Deps) -> None:
    """Each form, and where it is sent."""

    @blueprint.get("/new")
    @requires(Role.OPERATOR)
    def new() -> str:
        return _form(None, _blank() | request.args.to_dict())

    @blueprint.post("")
    @requires(Role.OPERATOR)
    def create() -> Response | tuple[str, int]:
        try:
            schedule_id = _add(deps, request.form)
        except _WRONG as error:
            return _form(None, request.form, error), 422
        flash("The schedule is there.", "good")
        return redirect(url_for("schedules.page", schedule_id=schedule_id), 303)

    @blueprint.get("/<int:schedule_id>/edit")
    @requires(Role.OPERATOR)
    def edit(schedule_id: int) -> str:
        with deps.database.transaction() as connection:
            line = find_schedule(connection, schedule_id)
        return _form(line, _written(line))

    @blueprint.post("/<int:schedule_id>")
    @requires(Role.OPERATOR)
    def change(schedule_id: int) -> Response | tuple[str, int]:
        with deps.database.transaction() as connection:
            line = find_schedule(connection, schedule_id)
        try:
            _edit(deps, line, request.form)
        except _WRONG as error:
            return _form(line, request.form, error), 422
        flash(f"{line.name} is changed.", "good")
        return redirect(url_for("schedules.page", schedule_id=schedule_id), 303)


def _add(deps: Deps, form: Mapping[str, str]) -> int:
    account = form.get("account", "").strip()
    options = _options(form)
    with acting(deps) as connection:
        account_id = find_account(connection, account).id if account else None
        new = NewSchedule(type=form.get("type", ""), account_id=account_id, **options)
        schedule_id = add_schedule(connection, new)
        note(connection, "schedule.add", "schedule", schedule_id, account_id=account_id, type=new.type, name=new.name)
    return schedule_id


def _edit(deps: Deps, line: ScheduleLine, form: Mapping[str, str]) -> None:
    options = _options(form)
    with acting(deps) as connection:
        check_seen(connection, f"schedule {line.id}", lambda: _seen(find_schedule(connection, line.id)))
        changed = edit_schedule(connection, line.id, ScheduleEdit(**options))
        note(connection, "schedule.edit", "schedule", line.id, account_id=line.account_id, changed=changed)


def _seen(line: ScheduleLine) -> list[str]:
    """What a form is made from."""
    return sorted(_written(line).values())


def _options(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form says, whichever schedule it is about.

    Raises:
        InvalidSchedule, InvalidPayload: a field cannot be read.
    """
    return {
        "name": form.get("name", "").strip(),
        "rule": _rule(form),
        "timezone": form.get("timezone", "").strip() or "UTC",
        "payload": _payload(form.get("payload", "")),
        "jitter": timedelta(seconds=_number(form.get("jitter") or "0", "The jitter")),
        "catch_up": int(_number(form.get("catch_up") or "1", "The number of missed fires")),
        "overlap": form.get("overlap", "skip"),
        "priority": int(_number(form.get("priority") or "5", "The priority")),
    }


def _rule(form: Mapping[str, str]) -> Rule:
    if form.get("rule") == "cron":
        return Cron(form.get("cron", "").strip())
    unit = UNITS.get(form.get("unit", "minutes"), 60)
    return Every(timedelta(seconds=_number(form.get("every", ""), "The interval") * unit))


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InvalidSchedule(f"{what} is a number, got {text!r}") from None
    # A year of days is the most that any of them may be; infinity and NaN are neither more nor less.
    if not 0 <= number <= 366 * 86_400:
        raise InvalidSchedule(f"{what} cannot be {text}")
    return number


def _payload(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except RecursionError:
        raise InvalidPayload(_TOO_DEEP) from None
    except ValueError as error:
        raise InvalidPayload(f"The payload is no JSON: {error}") from None
    if is_deeper(found, MAX_DEPTH):
        raise InvalidPayload(_TOO_DEEP)
    if not isinstance(found, dict):
        raise InvalidPayload("The payload is a JSON object, such as {}")
    return found


def _blank() -> dict[str, str]:
    return {"rule": "every", "every": "5", "unit": "minutes", "timezone": "UTC", "catch_up": "1", "priority": "5"} | {
        "jitter": "0",
        "payload": "{}",
        "overlap": "skip",
    }


def _written(line: ScheduleLine) -> dict[str, str]:
    """A schedule as its form holds it."""
    return _interval(line.every_seconds) | {
        "rule": "every" if line.cron is None else "cron",
        "cron": line.cron or "",
        "name": line.name,
        "timezone": line.timezone,
        "jitter": f"{line.jitter_seconds:g}",
        "catch_up": str(line.catch_up),
        "overlap": line.overlap,
        "priority": str(line.priority),
        "payload": json.dumps(line.payload, indent=2, ensure_ascii=False),
    }


def _interval(seconds: float | None) -> dict[str, str]:
    """In the largest unit that goes into it."""
    seconds = seconds or 300.0
    unit = next(name for name in reversed(UNITS) if not seconds % UNITS[name] or name == "seconds")
    return {"every": f"{seconds / UNITS[unit]:g}", "unit": unit}


def _form(line: ScheduleLine | None, written: Mapping[str, str], error: RetinueError | None = None) -> str:
    return render_template(
        "schedules/form.html",
        schedule=line,
        seen_values=None if line is None else _seen(line),
        written=written,
        problem=None if error is None else error.message,
        types=[one for one in registered_types() if one not in ORDERED_TYPES],
        units=list(UNITS),
        overlaps=OVERLAPS,
        most_catch_up=CATCH_UPS[-1],
    )
