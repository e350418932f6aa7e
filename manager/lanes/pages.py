"""The pages that show lanes."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from infra.postgres.audit import actions_on
from infra.postgres.holds import list_holds
from infra.postgres.lanes import BY_HAND, find_lane, lane_holders, lane_target, list_backlogs, list_lanes
from infra.postgres.types import list_types
from infra.postgres.why_blocked import hold_reason
from infra.roles import Role
from manager.deps import Deps
from manager.paging import address
from manager.roles import requires

#: Lanes on one page, accounts with a backlog, and jobs under way that are named.
SHOWN = 50
BACKLOGS_SHOWN = 20
HOLDERS_SHOWN = 20

_WHICH = ("held", "waiting")


def add_pages(blueprint: Blueprint, deps: Deps) -> None:
    """What there is by type and account, the lanes, and one lane."""

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        return render_template("lanes/index.html", **_together(deps))

    @blueprint.get("/all")
    @requires(Role.VIEWER)
    def listed() -> str:
        given = _given()
        told = _listed(deps, given)
        return render_template("lanes/all.html", given=given, older=_older(told["following"]), **told)

    @blueprint.get("/one")
    @requires(Role.VIEWER)
    def page() -> str:
        told = _one(deps, request.args.get("type", ""), request.args.get("lane", ""))
        with deps.database.transaction() as connection:
            did = actions_on(connection, "lane", lane_target(told["lane"].type, told["lane"].lane))
        return render_template("lanes/show.html", did=did, **told)

    @deps.live.part("lanes.types")
    def types_part(_given: dict[str, str]) -> str:
        return render_template("lanes/_types.html", **_together(deps))

    @deps.live.part("lanes.backlogs")
    def backlogs_part(_given: dict[str, str]) -> str:
        return render_template("lanes/_backlogs.html", **_together(deps))

    @deps.live.part("lanes")
    def lanes_part(given: dict[str, str]) -> str:
        return render_template("lanes/_list.html", **_listed(deps, given))

    @deps.live.part("lane")
    def lane_part(given: dict[str, str]) -> str:
        return render_template("lanes/_one.html", **_one(deps, given["type"], given["lane"]))


def _together(deps: Deps) -> dict[str, Any]:
    with deps.database.transaction() as connection:
        types = list_types(connection, alive_seconds=deps.settings.lease_seconds)
        backlogs = list_backlogs(connection, limit=BACKLOGS_SHOWN + 1)
    return {"types": types, "backlogs": backlogs[:BACKLOGS_SHOWN], "more_backlogs": len(backlogs) > BACKLOGS_SHOWN}


def _given() -> dict[str, str]:
    """What the address says of the list, as a live part is given it."""
    names = ("type", "lane", "which", "after_type", "after_lane")
    return {name: request.args[name] for name in names if request.args.get(name)}


def _listed(deps: Deps, given: dict[str, str]) -> dict[str, Any]:
    which = given.get("which")
    with deps.database.transaction() as connection:
        found = list_lanes(
            connection,
            type=given.get("type"),
            lane=given.get("lane"),
            held=which == "held",
            waiting=which == "waiting",
            after=(given.get("after_type", ""), given.get("after_lane", "")),
            limit=SHOWN + 1,
        )
    following = (found[SHOWN - 1].type, found[SHOWN - 1].lane) if len(found) > SHOWN else None
    return {"lanes": found[:SHOWN], "following": following, "which": which if which in _WHICH else None}


def _older(following: tuple[str, str] | None) -> str | None:
    return None if following is None else address(after_type=following[0], after_lane=following[1])


def _one(deps: Deps, job_type: str, lane: str) -> dict[str, Any]:
    with deps.database.transaction() as connection:
        line = find_lane(connection, job_type, lane)
        holds = list_holds(connection, job_type, lane)
        holders = lane_holders(connection, job_type, lane, limit=HOLDERS_SHOWN + 1)
        (kind,) = list_types(connection, alive_seconds=deps.settings.lease_seconds, type=job_type) or (None,)
    return {
        "lane": line,
        "kind": kind,
        "holds": [hold_reason(hold) for hold in holds],
        "held_by_hand": any(hold.kind in BY_HAND for hold in holds),
        "holders": holders[:HOLDERS_SHOWN],
        "more_holders": len(holders) > HOLDERS_SHOWN,
    }
