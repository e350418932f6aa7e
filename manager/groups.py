"""Groups: jobs that were made together, how far they are, and what is left of them."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from infra.job_query import parse_query
from infra.postgres import groups
from infra.postgres.audit import actions_on
from infra.postgres.imports import import_of_group, progress_words
from infra.postgres.job_search import search_jobs
from manager.acting import acting
from manager.audit import note
from manager.deps import Deps
from manager.paging import before_of_address, older_page
from manager.roles import Role, requires
from retinue.errors import NotAllowed

#: Groups of one page; jobs shown with one group.
PAGE_GROUPS, SHOWN_JOBS = 50, 25

_ID = "/<int:group_id>"


def groups_blueprint(deps: Deps) -> Blueprint:
    """The list, one group, and cancelling it."""
    blueprint = Blueprint("groups", __name__, url_prefix="/groups")
    _add_pages(blueprint, deps)
    _add_cancelling(blueprint, deps)
    return blueprint


def _add_pages(blueprint: Blueprint, deps: Deps) -> None:
    @deps.live.part("group")
    def part(given: dict[str, str]) -> str:
        return render_template("groups/_state.html", **_told(deps, int(given["group"])))

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        unfinished = "unfinished" in request.args
        with deps.database.transaction() as connection:
            found = groups.list_groups(
                connection, unfinished=unfinished, before=before_of_address(), limit=PAGE_GROUPS + 1
            )
        older = older_page(found, PAGE_GROUPS)
        return render_template("groups/index.html", groups=found[:PAGE_GROUPS], unfinished=unfinished, older=older)

    @blueprint.get(_ID)
    @requires(Role.VIEWER)
    def page(group_id: int) -> str:
        told = _told(deps, group_id)
        with deps.database.transaction() as connection:
            told["did"] = actions_on(connection, "group", group_id)
        return render_template("groups/page.html", **told)


def _told(deps: Deps, group_id: int) -> dict[str, object]:
    with deps.database.transaction() as connection:
        found = groups.show_group(connection, group_id)
        reads = import_of_group(connection, group_id)
        jobs = search_jobs(connection, parse_query(f"group:{group_id}"), limit=SHOWN_JOBS)
    return {"group": found, "reads": reads and progress_words(reads), "jobs": jobs}


def _add_cancelling(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.get(f"{_ID}/cancel")
    @requires(Role.OPERATOR)
    def confirm_cancel(group_id: int) -> str:
        with deps.database.transaction() as connection:
            found = groups.show_group(connection, group_id)
        return render_template("groups/cancel.html", group=found)

    @blueprint.post(f"{_ID}/cancel")
    @requires(Role.OPERATOR)
    def cancel(group_id: int) -> Response:
        with acting(deps) as connection:
            found = groups.show_group(connection, group_id)
            if not groups.cancel_groups(connection, [group_id], reason="a person cancelled it"):
                raise NotAllowed(f"Group {group_id} has ended, or is being cancelled already.")
            note(connection, "group.cancel", "group", group_id, account_id=found.account_id)
        flash(f"What is left of group {group_id} is being cancelled.", "good")
        return redirect(url_for("groups.page", group_id=group_id), 303)
