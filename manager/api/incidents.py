"""`/api/v1/incidents`."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.postgres import incident_marks as marks
from infra.postgres.incidents import IncidentLine, find_incident, list_incidents, request_probe
from infra.postgres.trouble_notes import TroubleNote, note_incident, notes_of_incident
from manager.acting import acting
from manager.api.describing import answer, answers, resource
from manager.api.marking import Assignee, Mute, NewNote
from manager.api.own import is_own, own_account
from manager.api.shapes import ID, TIME_AND_ID, Fingerprint, Page, Paged, Shape, read_place
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, current_user, requires
from retinue.errors import NotFound


class IncidentsAsked(Paged):
    """Which incidents."""

    account_id: ID | None = None
    connection_id: ID | None = None
    fingerprint: Fingerprint | None = Field(default=None, description="Only those that say the same.")
    resolved: bool = Field(default=False, description="Those too that are over.")


class Incidents(Page[IncidentLine]):
    """Incidents, the newest first."""


class IncidentGroups(Shape):
    """The open incidents by fingerprint: those of most accounts first, muted ones last."""

    items: list[marks.IncidentGroup]


class IncidentPath(Shape):
    """One incident."""

    incident_id: ID


class AlikePath(Shape):
    """All incidents that say the same."""

    fingerprint: Fingerprint


class Incident(Shape):
    """One incident, and what people noted."""

    incident: IncidentLine
    notes: list[TroubleNote]


class Concerned(Shape):
    """The open incidents that say the same, as they are now."""

    items: list[IncidentLine]


#: Incidents of one answer to what was done to all that say the same.
MAX_CONCERNED = 500


def incidents_api(deps: Deps) -> APIBlueprint:
    """Looking at incidents, marking and resolving them."""
    incidents = resource("incidents", "Incidents: list, show, assign, note, mute, probe, resolve; all alike at once.")
    _add_reads(incidents, deps)
    _add_marks(incidents, deps)
    _add_mutes(incidents, deps)
    _add_ends(incidents, deps)
    _add_alike(incidents, deps)
    return incidents


def _add_reads(incidents: APIBlueprint, deps: Deps) -> None:
    @incidents.get("", responses=answers(Incidents, 404))
    @requires(Role.VIEWER, one_account=True)
    def list_(query: IncidentsAsked) -> Response:
        """Incidents, the newest first."""
        asked = query.model_dump(exclude={"limit", "after", "account_id"})
        before, account_id = read_place(query.after, TIME_AND_ID), own_account(query.account_id)
        with deps.database.transaction() as connection:
            found = list_incidents(connection, account_id=account_id, before=before, limit=query.limit + 1, **asked)
        return answer(Incidents.of(found, query.limit, lambda line: (line.opened_at, line.id)))

    @incidents.get("/groups", responses=answers(IncidentGroups))
    @requires(Role.VIEWER)
    def groups() -> Response:
        """The open ones by what they say."""
        with deps.database.transaction() as connection:
            return answer(IncidentGroups(items=marks.list_incident_groups(connection)))

    @incidents.get("/<int:incident_id>", responses=answers(Incident, 404))
    @requires(Role.VIEWER, one_account=True)
    def show(path: IncidentPath) -> Response:
        """One incident, with its notes."""
        with deps.database.transaction() as connection:
            return answer(_told(connection, path.incident_id))


def _add_marks(incidents: APIBlueprint, deps: Deps) -> None:
    @incidents.post("/<int:incident_id>/assign", responses=answers(Incident, 404, 413))
    @requires(Role.OPERATOR, one_account=True)
    def assign(path: IncidentPath, body: Assignee) -> Response:
        """Say who sees to it."""
        with acting(deps) as connection:
            line = _own(connection, path.incident_id)
            marks.assign_incident(connection, line.id, body.to)
            _note(connection, "incident.assign", line, to=body.to)
            return answer(_told(connection, line.id))

    @incidents.post("/<int:incident_id>/notes", responses=answers(Incident, 404, 413))
    @requires(Role.OPERATOR, one_account=True)
    def add_note(path: IncidentPath, body: NewNote) -> Response:
        """Write a note for those who look next."""
        with acting(deps) as connection:
            line = _own(connection, path.incident_id)
            note_incident(connection, line.id, author=current_user().name, text=body.text)
            _note(connection, "incident.note", line)
            return answer(_told(connection, line.id))


def _add_mutes(incidents: APIBlueprint, deps: Deps) -> None:
    @incidents.post("/<int:incident_id>/mute", responses=answers(Incident, 404, 413))
    @requires(Role.OPERATOR, one_account=True)
    def mute(path: IncidentPath, body: Mute) -> Response:
        """It is known: no trouble any more; its lanes stay parked."""
        with acting(deps) as connection:
            line = _own(connection, path.incident_id)
            marks.mute_incident(connection, line.id, by=current_user().name, until=body.until)
            _note(connection, "incident.mute", line, until=body.told)
            return answer(_told(connection, line.id))

    @incidents.post("/<int:incident_id>/unmute", responses=answers(Incident, 404))
    @requires(Role.OPERATOR, one_account=True)
    def unmute(path: IncidentPath) -> Response:
        """Tell of it again."""
        with acting(deps) as connection:
            line = _own(connection, path.incident_id)
            # A mute of all that say the same is about other accounts, too.
            marks.unmute_incident(connection, line.id, alike=own_account() is None)
            _note(connection, "incident.unmute", line)
            return answer(_told(connection, line.id))


def _add_ends(incidents: APIBlueprint, deps: Deps) -> None:
    @incidents.post("/<int:incident_id>/probe", responses=answers(Incident, 404))
    @requires(Role.OPERATOR, one_account=True)
    def probe(path: IncidentPath) -> Response:
        """Let the next job of its connection try whether it is over."""
        with acting(deps) as connection:
            line = _own(connection, path.incident_id)
            if line.is_probed:
                request_probe(connection, line.connection_id)
            _note(connection, "incident.probe", line)
            return answer(_told(connection, line.id))

    @incidents.post("/<int:incident_id>/resolve", responses=answers(Incident, 404))
    @requires(Role.OPERATOR, one_account=True)
    def resolve(path: IncidentPath) -> Response:
        """It is over: its lanes go on."""
        with acting(deps) as connection:
            line = _own(connection, path.incident_id)
            if marks.resolve_incident(connection, line.id, by=current_user().name) is not None:
                _note(connection, "incident.resolve", line)
            return answer(_told(connection, line.id))


def _add_alike(incidents: APIBlueprint, deps: Deps) -> None:
    @incidents.post("/alike/<fingerprint>/assign", responses=answers(Concerned, 413))
    @requires(Role.OPERATOR)
    def assign_alike(path: AlikePath, body: Assignee) -> Response:
        """Say who sees to all that are open and say the same."""
        with acting(deps) as connection:
            count = marks.assign_incidents(connection, path.fingerprint, body.to)
            note(connection, "incident.assign_alike", "incidents", path.fingerprint, to=body.to, incidents=count)
            return answer(_alike(connection, path.fingerprint))

    @incidents.post("/alike/<fingerprint>/mute", responses=answers(Concerned, 413))
    @requires(Role.OPERATOR)
    def mute_alike(path: AlikePath, body: Mute) -> Response:
        """All that say the same are known, those that are still to come, too."""
        with acting(deps) as connection:
            marks.mute_incidents(connection, path.fingerprint, by=current_user().name, until=body.until)
            note(connection, "incident.mute_alike", "incidents", path.fingerprint, until=body.told)
            return answer(_alike(connection, path.fingerprint))

    @incidents.post("/alike/<fingerprint>/unmute", responses=answers(Concerned))
    @requires(Role.OPERATOR)
    def unmute_alike(path: AlikePath) -> Response:
        """Tell of all that say the same again."""
        with acting(deps) as connection:
            marks.unmute_incidents(connection, path.fingerprint)
            note(connection, "incident.unmute_alike", "incidents", path.fingerprint)
            return answer(_alike(connection, path.fingerprint))


def _own(connection: psycopg.Connection, incident_id: int) -> IncidentLine:
    line = find_incident(connection, incident_id)
    if not is_own(line.account_id):
        raise NotFound(f"There is no incident {incident_id}.")
    return line


def _told(connection: psycopg.Connection, incident_id: int) -> Incident:
    return Incident(incident=_own(connection, incident_id), notes=notes_of_incident(connection, incident_id))


def _alike(connection: psycopg.Connection, fingerprint: str) -> Concerned:
    return Concerned(items=list_incidents(connection, fingerprint=fingerprint, limit=MAX_CONCERNED))


def _note(connection: psycopg.Connection, action: str, line: IncidentLine, **detail: Any) -> None:
    note(connection, action, "incident", line.id, account_id=line.account_id, **detail)
