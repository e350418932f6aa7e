"""`/api/v1/connections`."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field, model_validator

from infra.postgres import connection_actions as actions
from infra.postgres.account_states import Source, lanes_of, sources_of
from infra.postgres.budget_settings import clear_budget, forecasts_of, set_budget
from infra.postgres.budgets import BudgetLine, show_budgets
from infra.postgres.connections import ConnectionLine, list_connections
from infra.postgres.lanes import LaneLine
from manager.acting import acting
from manager.api.describing import answer, answers, resource
from manager.api.own import own_account, own_connection
from manager.api.shapes import ID, ONE_ID, Asked, Page, Paged, Shape, Word, read_place
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, current_user, requires
from retinue.forecast import Forecast
from retinue.limits import MAX_COUNT

Calls = Annotated[int, Field(ge=1, le=MAX_COUNT)]


class ConnectionsAsked(Paged):
    """Which connections."""

    account_id: ID | None = None


class Connections(Page[ConnectionLine]):
    """Connections by ID; none shows its credentials."""


class ConnectionPath(Shape):
    """One connection."""

    connection_id: ID


class ConnectionTold(Shape):
    """One connection: what it keeps in step, its lanes, its budget and how long that lasts."""

    connection: ConnectionLine
    sources: list[Source]
    lanes: list[LaneLine]
    budgets: list[BudgetLine]
    forecasts: list[Forecast]


class PauseAsked(Asked):
    """Why it is to stop."""

    reason: Word | None = None


class ResyncAsked(Asked):
    """Which objects, where the connection is to Salesforce."""

    objects: list[Word] = Field(default=[], max_length=200)


class BudgetAsked(Asked):
    """The most calls; what is left out stays. `reserve` is the share kept for what is urgent."""

    per_day: Calls | None = None
    per_hour: Calls | None = None
    per_minute: Calls | None = None
    concurrent: Calls | None = None
    reserve: float | None = Field(default=None, ge=0, lt=1)

    @model_validator(mode="after")
    def _says_something(self) -> BudgetAsked:
        if not self.given():
            raise ValueError("give a limit, or a reserve")
        return self

    def given(self) -> dict[str, Any]:
        """What was given."""
        return self.model_dump(exclude_none=True)


class Begun(Shape):
    """The jobs that do it."""

    jobs: list[int]


class LanesOf(Shape):
    """The types whose lanes it concerned."""

    types: list[str]


def connections_api(deps: Deps) -> APIBlueprint:
    """Looking at connections and acting on them."""
    connections = resource("connections", "Connections: list, show, try, read anew, pause, resume, set the budget.")
    _add_reads(connections, deps)
    _add_jobs(connections, deps)
    _add_pauses(connections, deps)
    _add_budget(connections, deps)
    return connections


def _add_reads(connections: APIBlueprint, deps: Deps) -> None:
    @connections.get("", responses=answers(Connections, 404))
    @requires(Role.VIEWER, one_account=True)
    def list_(query: ConnectionsAsked) -> Response:
        """Connections by ID."""
        (after,) = read_place(query.after, ONE_ID) or (0,)
        account_id = own_account(query.account_id)
        with deps.database.transaction() as connection:
            found = list_connections(connection, account_id=account_id, after=after, limit=query.limit + 1)
        return answer(Connections.of(found, query.limit, lambda line: (line.id,)))

    @connections.get("/<int:connection_id>", responses=answers(ConnectionTold, 404))
    @requires(Role.VIEWER, one_account=True)
    def show(path: ConnectionPath) -> Response:
        """One connection."""
        with deps.database.transaction() as connection:
            return answer(_told(connection, path.connection_id))


def _add_jobs(connections: APIBlueprint, deps: Deps) -> None:
    @connections.post("/<int:connection_id>/try", responses=answers(Begun, 404, 409, status=202))
    @requires(Role.OPERATOR, one_account=True)
    def try_now(path: ConnectionPath) -> Response:
        """Have it tried by its own jobs now; an open incident is probed."""
        with acting(deps) as connection:
            line = own_connection(connection, path.connection_id)
            jobs = list(actions.try_now(connection, line.id).jobs)
            _note(connection, "connection.try", line, jobs=jobs)
        return answer(Begun(jobs=jobs), 202)

    @connections.post("/<int:connection_id>/resync", responses=answers(Begun, 404, 409, 413, status=202))
    @requires(Role.OPERATOR, one_account=True)
    def resync(path: ConnectionPath, body: ResyncAsked) -> Response:
        """Read it anew as a whole, of an org these objects; nothing is deleted before."""
        with acting(deps) as connection:
            line = own_connection(connection, path.connection_id)
            jobs = actions.resync(connection, line.id, body.objects)
            _note(connection, "connection.resync", line, objects=body.objects, jobs=jobs)
        return answer(Begun(jobs=jobs), 202)


def _add_pauses(connections: APIBlueprint, deps: Deps) -> None:
    @connections.post("/<int:connection_id>/pause", responses=answers(LanesOf, 404, 409, 413))
    @requires(Role.OPERATOR, one_account=True)
    def pause(path: ConnectionPath, body: PauseAsked) -> Response:
        """Start nothing more of it until it is resumed; what is under way goes on."""
        reason = body.reason or f"paused by {current_user().name}"
        with acting(deps) as connection:
            line = own_connection(connection, path.connection_id)
            types = actions.pause_connection(connection, line.id, reason=reason)
            _note(connection, "connection.pause", line, reason=reason, types=types)
        return answer(LanesOf(types=types))

    @connections.post("/<int:connection_id>/resume", responses=answers(LanesOf, 404))
    @requires(Role.OPERATOR, one_account=True)
    def resume(path: ConnectionPath) -> Response:
        """End the pauses of its lanes."""
        with acting(deps) as connection:
            line = own_connection(connection, path.connection_id)
            types = actions.resume_connection(connection, line.id)
            _note(connection, "connection.resume", line, types=types)
        return answer(LanesOf(types=types))


def _add_budget(connections: APIBlueprint, deps: Deps) -> None:
    @connections.put("/<int:connection_id>/budget", responses=answers(ConnectionTold, 404, 413))
    @requires(Role.OPERATOR, one_account=True)
    def budget(path: ConnectionPath, body: BudgetAsked) -> Response:
        """Set limits of its budget."""
        with acting(deps) as connection:
            line = own_connection(connection, path.connection_id)
            set_budget(connection, line.id, **body.given())
            _note(connection, "connection.budget", line, **body.given())
            return answer(_told(connection, line.id))

    @connections.delete("/<int:connection_id>/budget", responses=answers(ConnectionTold, 404))
    @requires(Role.OPERATOR, one_account=True)
    def clear(path: ConnectionPath) -> Response:
        """Forget what was set and learned; what code declares comes with the next job."""
        with acting(deps) as connection:
            line = own_connection(connection, path.connection_id)
            clear_budget(connection, line.id)
            _note(connection, "connection.budget_clear", line)
            return answer(_told(connection, line.id))


def _told(connection: psycopg.Connection, connection_id: int) -> ConnectionTold:
    return ConnectionTold(
        connection=own_connection(connection, connection_id),
        sources=sources_of(connection, connection_id),
        lanes=lanes_of(connection, connection_id),
        budgets=show_budgets(connection, connection_id),
        forecasts=forecasts_of(connection, connection_id),
    )


def _note(connection: psycopg.Connection, action: str, line: ConnectionLine, **detail: Any) -> None:
    note(connection, action, "connection", line.id, account_id=line.account_id, **detail)
