"""`/api/v1/servants`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.postgres.process_exits import ProcessExit, list_exits
from infra.postgres.servants import (
    LOST_SHOWN_SECONDS,
    SchedulerLine,
    ServantLine,
    find_servant,
    list_schedulers,
    list_servants,
    request_servant,
)
from manager.acting import acting
from manager.api.describing import answer, answers, resource
from manager.api.shapes import ID, Asked, Shape, Word
from manager.audit import note
from manager.deps import Deps
from manager.heartbeats import Patience
from manager.roles import Role, requires
from manager.servants.views import CurrentJob, view_of
from retinue.servant_requests import ServantRequest

#: Servants of one answer.
MAX_SERVANTS = 1000


class ServantsAsked(Asked):
    """Which servants."""

    type: Word | None = None
    ended: bool = Field(default=False, description="Those too that stopped or were lost, for a day.")


class Servant(Shape):
    """A servant. `state` is up, late, silent, draining, resting, lost or stopped; `sentence` says what that means."""

    id: int
    type: str
    state: str
    sentence: str
    host: str
    pid: int
    process: str | None = Field(description="What supervisord calls it; null where it was started by hand.")
    version: str
    slots: int
    busy: int
    rate: float | None = Field(description="Jobs a second that it can do.")
    memory_bytes: int | None
    jobs: list[CurrentJob]
    started_at: datetime
    heartbeat_at: datetime
    received_at: datetime | None
    request: str | None = Field(description="What it was asked for: drain or restart.")
    requested_at: datetime | None
    exits: int = Field(description="How often this process ended in the last day.")
    last_exit: str | None
    exit_at: datetime | None


class Servants(Shape):
    """Servants by type; `capped` says that there are more."""

    items: list[Servant]
    capped: bool


class Schedulers(Shape):
    """The schedulers and their passes."""

    items: list[SchedulerLine]


class Exits(Shape):
    """How the process that supervisord calls by the servant's name ended, the last time first."""

    items: list[ProcessExit]


class ServantPath(Shape):
    """One servant."""

    servant_id: ID


def servants_api(deps: Deps) -> APIBlueprint:
    """Looking at servants, draining and restarting one."""
    servants = resource("servants", "Servants: list, show, drain, restart.")
    patience = Patience.with_servants(deps.settings)
    _add_reads(servants, deps, patience)

    @servants.post("/<int:servant_id>/drain", responses=answers(Servant, 404, 409, status=202))
    @requires(Role.OPERATOR)
    def drain(path: ServantPath) -> Response:
        """Let it take nothing new, finish what it runs, and rest."""
        return _ask(deps, patience, path.servant_id, ServantRequest.DRAIN)

    @servants.post("/<int:servant_id>/restart", responses=answers(Servant, 404, 409, status=202))
    @requires(Role.OPERATOR)
    def restart(path: ServantPath) -> Response:
        """Have it started anew; it hands back what its grace is too short for."""
        return _ask(deps, patience, path.servant_id, ServantRequest.RESTART)

    return servants


def _add_reads(servants: APIBlueprint, deps: Deps, patience: Patience) -> None:
    @servants.get("", responses=answers(Servants))
    @requires(Role.VIEWER)
    def list_(query: ServantsAsked) -> Response:
        """Servants by type, with what they are doing."""
        with deps.database.transaction() as connection:
            found = list_servants(
                connection,
                type=query.type,
                ended=query.ended,
                lost_shown_seconds=LOST_SHOWN_SECONDS,
                limit=MAX_SERVANTS + 1,
            )
        items = [_told(line, patience) for line in found[:MAX_SERVANTS]]
        return answer(Servants(items=items, capped=len(found) > MAX_SERVANTS))

    @servants.get("/<int:servant_id>", responses=answers(Servant, 404))
    @requires(Role.VIEWER)
    def show(path: ServantPath) -> Response:
        """One servant."""
        with deps.database.transaction() as connection:
            return answer(_told(find_servant(connection, path.servant_id), patience))

    @servants.get("/<int:servant_id>/exits", responses=answers(Exits, 404))
    @requires(Role.VIEWER)
    def exits(path: ServantPath) -> Response:
        """How its process ended before."""
        with deps.database.transaction() as connection:
            line = find_servant(connection, path.servant_id)
            found = list_exits(connection, host=line.host, process=line.process) if line.process else []
        return answer(Exits(items=found))

    @servants.get("/schedulers", responses=answers(Schedulers))
    @requires(Role.VIEWER)
    def schedulers() -> Response:
        """The schedulers: when each of their passes ran, and what it came to."""
        with deps.database.transaction() as connection:
            return answer(Schedulers(items=list_schedulers(connection)))


def _ask(deps: Deps, patience: Patience, servant_id: int, wanted: ServantRequest) -> Response:
    with acting(deps) as connection:
        request_servant(connection, servant_id, wanted)
        line = find_servant(connection, servant_id)
        note(connection, f"servant.{wanted}", "servant", servant_id, type=line.type, host=line.host, pid=line.pid)
    return answer(_told(line, patience), 202)


def _told(line: ServantLine, patience: Patience) -> Servant:
    view = view_of(line, patience)
    told = asdict(line) | {"state": view.state, "sentence": view.sentence, "jobs": view.jobs}
    return Servant(last_exit=line.last_exit, **{name: told[name] for name in Servant.model_fields if name in told})
