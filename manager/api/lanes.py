"""`/api/v1/lanes`: the jobs of one type that share a key. A lane is named by its type and its name together."""

from __future__ import annotations

from typing import Annotated

import psycopg
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.postgres import lanes as stored
from infra.postgres.lanes import MAX_LIMIT, Backlog, LaneLine, list_backlogs, list_lanes
from manager.acting import acting
from manager.api.describing import answer, answers, resource
from manager.api.shapes import TWO_WORDS, Asked, Page, Paged, Shape, Whole, Word, read_place
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, current_user, requires
from retinue.errors import NotFound


class LanesAsked(Paged):
    """Which lanes."""

    type: Word | None = None
    lane: Word | None = Field(default=None, description="Its name, such as `account:7`.")
    held: bool = Field(default=False, description="Only lanes that something holds back.")
    waiting: bool = Field(default=False, description="Only lanes with pending jobs.")


class Lanes(Page[LaneLine]):
    """Lanes by type and name."""


class LaneNamed(Asked):
    """A lane."""

    type: Word
    lane: Word


class LanePause(LaneNamed):
    """A lane, and why it is to stop."""

    reason: Word | None = None


class LaneChange(LaneNamed):
    """A lane, and what to change; a `limit` of null is the type's own."""

    weight: float | None = Field(default=None, ge=0.001, le=1000)
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] | None = None


class Lane(Whole[LaneLine]):
    """One lane."""


class BacklogsAsked(Asked):
    """How many accounts, and of which type."""

    type: Word | None = None
    limit: int = Field(default=50, ge=1, le=500)


class Backlogs(Shape):
    """The accounts of which most waits."""

    items: list[Backlog]


def lanes_api(deps: Deps) -> APIBlueprint:
    """Looking at lanes, pausing them, setting their weights and limits."""
    lanes = resource("lanes", "Lanes: list, backlog by account, pause, resume, set weight and limit.")
    _add_reads(lanes, deps)
    _add_actions(lanes, deps)
    return lanes


def _add_reads(lanes: APIBlueprint, deps: Deps) -> None:
    @lanes.get("", responses=answers(Lanes))
    @requires(Role.VIEWER)
    def list_(query: LanesAsked) -> Response:
        """Lanes by type and name, with what holds them."""
        asked = query.model_dump(exclude={"limit", "after"})
        after = read_place(query.after, TWO_WORDS) or ("", "")
        with deps.database.transaction() as connection:
            found = list_lanes(connection, **asked, after=after, limit=query.limit + 1)
        return answer(Lanes.of(found, query.limit, lambda line: (line.type, line.lane)))

    @lanes.get("/backlogs", responses=answers(Backlogs))
    @requires(Role.VIEWER)
    def backlogs(query: BacklogsAsked) -> Response:
        """The accounts of which most waits."""
        with deps.database.transaction() as connection:
            return answer(Backlogs(items=list_backlogs(connection, type=query.type, limit=query.limit)))


def _add_actions(lanes: APIBlueprint, deps: Deps) -> None:
    @lanes.post("/pause", responses=answers(Lane, 404, 409, 413))
    @requires(Role.OPERATOR)
    def pause(body: LanePause) -> Response:
        """Start nothing more of a lane until it is resumed; what is under way goes on."""
        reason = body.reason or f"paused by {current_user().name}"
        with acting(deps) as connection:
            stored.pause_lane(connection, body.type, body.lane, reason=reason)
            _note(connection, "lane.pause", body, why=reason)
            return answer(_told(connection, body))

    @lanes.post("/resume", responses=answers(Lane, 404, 409, 413))
    @requires(Role.OPERATOR)
    def resume(body: LaneNamed) -> Response:
        """End a lane's pause, or its wait for the failed head of a strict order."""
        with acting(deps) as connection:
            stored.resume_lane(connection, body.type, body.lane)
            _note(connection, "lane.resume", body)
            return answer(_told(connection, body))

    @lanes.patch("", responses=answers(Lane, 404, 409, 413))
    @requires(Role.OPERATOR)
    def change(body: LaneChange) -> Response:
        """Set a lane's weight, its limit, or both; what is left out stays."""
        keeps = "limit" not in body.model_fields_set
        with acting(deps) as connection:
            stored.set_lane(connection, body.type, body.lane, weight=body.weight, limit=body.limit, keep_limit=keeps)
            _note(connection, "lane.set", body, **body.model_dump(include={"weight", "limit"}, exclude_unset=True))
            return answer(_told(connection, body))


def _told(connection: psycopg.Connection, named: LaneNamed) -> Lane:
    found = list_lanes(connection, type=named.type, lane=named.lane, limit=1)
    if not found:
        raise NotFound(f"There is no lane {named.lane!r} of type {named.type!r}: one appears with its first job.")
    return Lane(found[0])


def _note(connection: psycopg.Connection, action: str, named: LaneNamed, **detail: object) -> None:
    note(connection, action, "lane", stored.lane_target(named.type, named.lane), **detail)
