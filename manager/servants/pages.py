"""The pages that show servants."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from infra.postgres.audit import actions_on
from infra.postgres.process_exits import cause_words, list_exits
from infra.postgres.servants import LOST_SHOWN_SECONDS, MAX_EXITS, find_servant, list_servants
from infra.roles import Role
from manager.deps import Deps
from manager.heartbeats import Patience
from manager.roles import requires
from manager.servants.views import SHOWN_JOBS, by_type, view_of

#: Servants on the page; 200 of each of five types are a large installation.
SHOWN = 1000

#: Ends of one process on its servant's page.
EXITS_SHOWN = 20


def add_pages(blueprint: Blueprint, deps: Deps) -> None:
    """The list and one servant, each with its live part."""
    patience = Patience.with_servants(deps.settings)

    def listed(job_type: str | None, *, ended: bool) -> dict[str, Any]:
        with deps.database.transaction() as connection:
            lines = list_servants(
                connection, type=job_type, ended=ended, lost_shown_seconds=LOST_SHOWN_SECONDS, limit=SHOWN + 1
            )
        types = by_type(lines[:SHOWN], patience)
        told = {"types": types, "type": job_type, "ended": ended, "capped": len(lines) > SHOWN}
        return told | {"most": SHOWN_JOBS, "max_exits": MAX_EXITS}

    def one(servant_id: int) -> dict[str, Any]:
        with deps.database.transaction() as connection:
            line = find_servant(connection, servant_id)
            exits = (
                list_exits(connection, host=line.host, process=line.process, limit=EXITS_SHOWN) if line.process else []
            )
        return {"servant": view_of(line, patience), "exits": exits, "max_exits": MAX_EXITS}

    blueprint.add_app_template_global(cause_words, "cause_words")

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        told = listed(request.args.get("type") or None, ended="ended" in request.args)
        return render_template("servants/index.html", **told)

    @blueprint.get("/<int:servant_id>")
    @requires(Role.VIEWER)
    def page(servant_id: int) -> str:
        told = one(servant_id)
        with deps.database.transaction() as connection:
            did = actions_on(connection, "servant", servant_id)
        return render_template("servants/show.html", did=did, **told)

    @deps.live.part("servants")
    def servants_part(given: dict[str, str]) -> str:
        return render_template("servants/_list.html", **listed(given.get("type"), ended="ended" in given))

    @deps.live.part("servant")
    def servant_part(given: dict[str, str]) -> str:
        return render_template("servants/_one.html", **one(int(given["id"])))
