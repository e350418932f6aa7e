"""`/api/v1/audit`: what operators did."""

from __future__ import annotations

from dataclasses import replace

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.postgres.audit import ActionFilter, ActionLine, list_actions
from manager.api.describing import answer, answers, resource
from manager.api.shapes import ID, ONE_ID, Moment, Page, Paged, Word, place, read_place
from manager.deps import Deps
from manager.roles import Role, current_user, requires


class ActionsAsked(Paged):
    """Which actions."""

    actor: Word | None = Field(default=None, description="Who acted.")
    action: Word | None = Field(default=None, description="One, or the beginning of several, such as `job.`.")
    target_kind: Word | None = Field(default=None, description="What was acted on, such as `job`.")
    target_id: Word | None = None
    account_id: ID | None = None
    since: Moment | None = None
    until: Moment | None = None


class Actions(Page[ActionLine]):
    """Actions, the newest first; a page may hold fewer than asked for, and yet have a next one."""


def audit_api(deps: Deps) -> APIBlueprint:
    """Looking at what operators did."""
    audit = resource("audit", "What operators did, by the pages, this API and the command line.")

    @audit.get("", responses=answers(Actions))
    @requires(Role.VIEWER)
    def list_(query: ActionsAsked) -> Response:
        """Actions, the newest first; from which address shows to admins alone."""
        asked = query.model_dump(exclude={"limit", "after"})
        (before,) = read_place(query.after, ONE_ID) or (None,)
        with deps.database.transaction() as connection:
            page = list_actions(connection, ActionFilter(**asked), before=before, limit=query.limit)
        actions = page.actions if current_user().may(Role.ADMIN) else [replace(a, address=None) for a in page.actions]
        return answer(Actions(items=actions, next=None if page.older is None else place(page.older)))

    return audit
