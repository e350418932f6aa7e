"""`/api/v1/types`: kinds of work, their limits and pauses."""

from __future__ import annotations

from typing import Annotated

import psycopg
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.postgres import types as stored
from infra.postgres.lanes import MAX_LIMIT, unknown_type
from infra.postgres.types import TypeLine, list_types
from manager.acting import acting
from manager.api.describing import answer, answers, resource
from manager.api.shapes import Asked, Shape, Whole, Word
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, requires

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]


class TypePath(Shape):
    """One type."""

    type: Word


class Type(Whole[TypeLine]):
    """One type, and how it stands."""


class Types(Shape):
    """All types that a servant ever announced."""

    items: list[TypeLine]


class TypeLimits(Asked):
    """How many jobs may be under way at once, of each lane and of the whole type; null is any number."""

    lane_limit: Limit | None
    type_limit: Limit | None


def types_api(deps: Deps) -> APIBlueprint:
    """Looking at types, pausing them, setting their limits."""
    types = resource("types", "Types of work: list, pause, resume, set limits.")

    @types.get("", responses=answers(Types))
    @requires(Role.VIEWER)
    def list_() -> Response:
        """Every type, with what waits and what runs."""
        with deps.database.transaction() as connection:
            return answer(Types(items=list_types(connection, alive_seconds=deps.settings.lease_seconds)))

    @types.get("/<type>", responses=answers(Type, 404))
    @requires(Role.VIEWER)
    def show(path: TypePath) -> Response:
        """One type."""
        with deps.database.transaction() as connection:
            return answer(_told(connection, deps, path.type))

    _add_pauses(types, deps)
    _add_limits(types, deps)
    return types


def _add_pauses(types: APIBlueprint, deps: Deps) -> None:
    @types.post("/<type>/pause", responses=answers(Type, 404))
    @requires(Role.OPERATOR)
    def pause(path: TypePath) -> Response:
        """Dispatch nothing more of it until it is resumed; what is under way goes on."""
        with acting(deps) as connection:
            stored.pause_type(connection, path.type, paused=True)
            note(connection, "type.pause", "type", path.type)
            return answer(_told(connection, deps, path.type))

    @types.post("/<type>/resume", responses=answers(Type, 404))
    @requires(Role.OPERATOR)
    def resume(path: TypePath) -> Response:
        """Let it be dispatched again."""
        with acting(deps) as connection:
            stored.pause_type(connection, path.type, paused=False)
            note(connection, "type.resume", "type", path.type)
            return answer(_told(connection, deps, path.type))


def _add_limits(types: APIBlueprint, deps: Deps) -> None:
    @types.put("/<type>/limits", responses=answers(Type, 404, 413))
    @requires(Role.OPERATOR)
    def set_limits(path: TypePath, body: TypeLimits) -> Response:
        """Set its limits; they stand whatever its code declares."""
        with acting(deps) as connection:
            stored.set_type_limits(connection, path.type, **body.model_dump())
            note(connection, "type.limits", "type", path.type, **body.model_dump())
            return answer(_told(connection, deps, path.type))

    @types.delete("/<type>/limits", responses=answers(Type, 404))
    @requires(Role.OPERATOR)
    def declare_limits(path: TypePath) -> Response:
        """Go back to the limits that its code declares."""
        with acting(deps) as connection:
            stored.declare_type_limits(connection, path.type)
            note(connection, "type.limits", "type", path.type, declared=True)
            return answer(_told(connection, deps, path.type))


def _told(connection: psycopg.Connection, deps: Deps, name: str) -> Type:
    found = list_types(connection, alive_seconds=deps.settings.lease_seconds, type=name)
    if not found:
        raise unknown_type(name)
    return Type(found[0])
