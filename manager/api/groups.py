"""`/api/v1/groups`: jobs that belong together."""

from __future__ import annotations

import psycopg
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.postgres import groups as stored
from infra.postgres.groups import GroupDetails, show_group
from manager.acting import acting
from manager.api.describing import answer, answers, resource
from manager.api.own import is_own, own_account
from manager.api.shapes import ID, ONE_ID, Page, Paged, Shape, Whole, read_place
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, requires
from retinue.errors import NotAllowed, NotFound


class GroupsAsked(Paged):
    """Which groups."""

    account_id: ID | None = None
    unfinished: bool = Field(default=False, description="Only those that have not ended.")


class Groups(Page[GroupDetails]):
    """Groups, the newest first."""


class GroupPath(Shape):
    """One group."""

    group_id: ID


class Group(Whole[GroupDetails]):
    """One group: how far it is, and its rules. `/jobs?q=group:ID` lists its jobs."""


def groups_api(deps: Deps) -> APIBlueprint:
    """Looking at groups and cancelling one."""
    groups = resource("groups", "Groups of jobs: list, show, cancel.")

    @groups.get("", responses=answers(Groups, 404))
    @requires(Role.VIEWER, one_account=True)
    def list_(query: GroupsAsked) -> Response:
        """Groups, the newest first."""
        account_id = own_account(query.account_id)
        (before,) = read_place(query.after, ONE_ID) or (None,)
        with deps.database.transaction() as connection:
            found = stored.list_groups(
                connection, account_id=account_id, unfinished=query.unfinished, before=before, limit=query.limit + 1
            )
        return answer(Groups.of(found, query.limit, lambda group: (group.id,)))

    @groups.get("/<int:group_id>", responses=answers(Group, 404))
    @requires(Role.VIEWER, one_account=True)
    def show(path: GroupPath) -> Response:
        """One group."""
        with deps.database.transaction() as connection:
            return answer(Group(_own(connection, path.group_id)))

    @groups.post("/<int:group_id>/cancel", responses=answers(Group, 404, 409, status=202))
    @requires(Role.OPERATOR, one_account=True)
    def cancel(path: GroupPath) -> Response:
        """Cancel what is left of it, and of the groups inside it; what follows it does not come."""
        with acting(deps) as connection:
            group = _own(connection, path.group_id)
            if not stored.cancel_groups(connection, [group.id], reason="a person cancelled it"):
                raise NotAllowed(f"Group {group.id} has ended, or is being cancelled already.")
            note(connection, "group.cancel", "group", group.id, account_id=group.account_id)
            return answer(Group(show_group(connection, group.id)), 202)

    return groups


def _own(connection: psycopg.Connection, group_id: int) -> GroupDetails:
    group = show_group(connection, group_id)
    if not is_own(group.account_id):
        raise NotFound(f"There is no group {group_id}. If it ended long ago, it has been dropped since.")
    return group
