"""The pages that show schedules."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from infra.postgres.audit import actions_on
from infra.postgres.schedule_lines import ScheduleFilter, find_schedule, list_schedules
from infra.postgres.schedule_runs import ComingHour, coming_fires, coming_hour, last_runs, runs_of
from infra.postgres.schedules import database_now
from infra.roles import Role
from manager.cached import Cached
from manager.deps import Deps
from manager.paging import address
from manager.roles import requires
from manager.schedules.hour import draw_hour
from retinue.schedule import ScheduleState

#: Schedules on one page, runs on a schedule's, and fires to come that are named there.
SHOWN = 50
RUNS_SHOWN = 25
FIRES_SHOWN = 8

#: A schedule that should have fired so long ago is late, in seconds: plan looks each second.
LATE_SECONDS = 10

#: What is about to come is looked at so often, in seconds.
HOUR_FRESH_SECONDS = 10


def add_pages(blueprint: Blueprint, deps: Deps) -> None:
    """The list and one schedule, each with its live part."""
    hour = Cached(lambda: _hour(deps), fresh_seconds=HOUR_FRESH_SECONDS, clock=deps.clock)

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        given = _given(request.args)
        told = _listed(deps, given)
        newer, older = _links(told["first_id"], told["last_id"])
        drawn = draw_hour(hour.get())
        return render_template("schedules/index.html", hour=drawn, given=given, newer=newer, older=older, **told)

    @blueprint.get("/<int:schedule_id>")
    @requires(Role.VIEWER)
    def page(schedule_id: int) -> str:
        told = _one(deps, schedule_id)
        with deps.database.transaction() as connection:
            did = actions_on(connection, "schedule", schedule_id)
        return render_template("schedules/show.html", did=did, **told)

    @deps.live.part("schedules")
    def schedules_part(given: dict[str, str]) -> str:
        return render_template("schedules/_list.html", **_listed(deps, given))

    @deps.live.part("schedules.hour")
    def hour_part(_given: dict[str, str]) -> str:
        return render_template("schedules/_hour.html", hour=draw_hour(hour.get()))

    @deps.live.part("schedule")
    def schedule_part(given: dict[str, str]) -> str:
        return render_template("schedules/_one.html", **_one(deps, int(given["id"])))


def _hour(deps: Deps) -> ComingHour:
    with deps.database.transaction() as connection:
        return coming_hour(connection)


def _given(arguments: Any) -> dict[str, str]:
    """What the address says of the list, as a live part is given it."""
    names = ("type", "account", "state", "words", "after", "before")
    return {name: arguments[name] for name in names if arguments.get(name)}


def _listed(deps: Deps, given: dict[str, str]) -> dict[str, Any]:
    state = given.get("state")
    wanted = ScheduleFilter(
        account_id=_number(given.get("account")),
        type=given.get("type"),
        state=state if state in list(ScheduleState) else None,
        late_seconds=LATE_SECONDS if state == "late" else None,
        words=given.get("words"),
    )
    after, before = _number(given.get("after")) or 0, _number(given.get("before"))
    with deps.database.transaction() as connection:
        found = list_schedules(connection, wanted, after=after, before=before, limit=SHOWN + 1)
        shown = found[-SHOWN:] if before is not None else found[:SHOWN]
        runs = last_runs(connection, [line.id for line in shown])
    more = len(found) > SHOWN
    return {
        "schedules": shown,
        "runs": runs,
        "late_seconds": LATE_SECONDS,
        "first_id": shown[0].id if shown and (after or (before is not None and more)) else None,
        "last_id": shown[-1].id if shown and (more if before is None else True) else None,
    }


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


def _one(deps: Deps, schedule_id: int) -> dict[str, Any]:
    with deps.database.transaction() as connection:
        line = find_schedule(connection, schedule_id)
        runs = runs_of(connection, schedule_id, limit=RUNS_SHOWN)
        fires = coming_fires(line, database_now(connection), count=FIRES_SHOWN)
    return {"schedule": line, "runs": runs, "fires": fires, "late_seconds": LATE_SECONDS}


def _links(first_id: int | None, last_id: int | None) -> tuple[str | None, str | None]:
    """The addresses of the pages before and after."""
    newer = None if first_id is None else address(before=first_id, after=None)
    older = None if last_id is None else address(after=last_id, before=None)
    return newer, older
