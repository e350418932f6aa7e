"""Incidents: open ones by what they say, those that are over, and each one's page with what can be done about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from infra.postgres import incident_marks as marks
from infra.postgres.audit import actions_on
from infra.postgres.incidents import IncidentLine, find_incident, list_incidents, request_probe
from infra.postgres.trouble_notes import note_incident, notes_of_incident
from manager.acting import acting
from manager.audit import note
from manager.back import back
from manager.deps import Deps
from manager.marking import MUTES, assignee, muted_until, names_offered
from manager.paging import address
from manager.roles import Role, current_user, requires

#: Groups, and incidents, on one page.
SHOWN = 50


def incidents_blueprint(deps: Deps) -> Blueprint:
    """`/incidents`."""
    blueprint = Blueprint("incidents", __name__, url_prefix="/incidents")
    _add_lists(blueprint, deps)
    _add_page(blueprint, deps)
    _add_marks(blueprint, deps)
    _add_ends(blueprint, deps)
    _add_alike(blueprint, deps)
    return blueprint


def _add_lists(blueprint: Blueprint, deps: Deps) -> None:
    @deps.live.part("incidents.groups")
    def part(_given: dict[str, str]) -> str:
        with deps.database.transaction() as connection:
            return render_template("incidents/_groups.html", groups=marks.list_incident_groups(connection, limit=SHOWN))

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        with deps.database.transaction() as connection:
            groups = marks.list_incident_groups(connection, limit=SHOWN)
            names = names_offered(connection)
        return render_template("incidents/index.html", groups=groups, names=names, mutes=MUTES)

    @blueprint.get("/all")
    @requires(Role.VIEWER)
    def every() -> str:
        like = request.args.get("alike") or None
        with deps.database.transaction() as connection:
            found = list_incidents(
                connection, fingerprint=like, resolved=like is None, before=before_of(request.args), limit=SHOWN + 1
            )
            names = names_offered(connection)
        older = address(**after_of(found[SHOWN - 1].opened_at, found[SHOWN - 1].id)) if len(found) > SHOWN else None
        return render_template(
            "incidents/all.html", incidents=found[:SHOWN], alike=like, older=older, names=names, mutes=MUTES
        )


def _add_page(blueprint: Blueprint, deps: Deps) -> None:
    @deps.live.part("incidents.state")
    def part(given: dict[str, str]) -> str:
        with deps.database.transaction() as connection:
            return render_template("incidents/_state.html", incident=find_incident(connection, int(given["incident"])))

    @blueprint.get("/<int:incident_id>")
    @requires(Role.VIEWER)
    def page(incident_id: int) -> str:
        with deps.database.transaction() as connection:
            line = find_incident(connection, incident_id)
            told: dict[str, Any] = {
                "notes": notes_of_incident(connection, incident_id),
                "earlier": _earlier(connection, line),
                "names": names_offered(connection),
                "did": actions_on(connection, "incident", incident_id),
            }
        return render_template("incidents/page.html", incident=line, mutes=MUTES, **told)


def _earlier(connection: psycopg.Connection, line: IncidentLine) -> list[IncidentLine]:
    found = list_incidents(connection, connection_id=line.connection_id, resolved=True, limit=11)
    return [one for one in found if one.id != line.id]


def _add_marks(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/<int:incident_id>/assign")
    @requires(Role.OPERATOR)
    def assign(incident_id: int) -> Response:
        to = assignee()
        with acting(deps) as connection:
            marks.assign_incident(connection, incident_id, to)
            _note(connection, "incident.assign", incident_id, to=to)
        return _told(incident_id, f"{to or 'Nobody'} sees to it.")

    @blueprint.post("/<int:incident_id>/note")
    @requires(Role.OPERATOR)
    def write(incident_id: int) -> Response:
        with acting(deps) as connection:
            note_incident(connection, incident_id, author=current_user().name, text=request.form.get("text", ""))
            _note(connection, "incident.note", incident_id)
        return _told(incident_id, "Noted.")

    @blueprint.post("/<int:incident_id>/mute")
    @requires(Role.OPERATOR)
    def mute(incident_id: int) -> Response:
        until = muted_until(deps)
        with acting(deps) as connection:
            marks.mute_incident(connection, incident_id, by=current_user().name, until=until)
            _note(connection, "incident.mute", incident_id, until=until and until.isoformat())
        return _told(incident_id, "It is muted: no trouble any more, and its lanes stay parked.")

    @blueprint.post("/<int:incident_id>/unmute")
    @requires(Role.OPERATOR)
    def unmute(incident_id: int) -> Response:
        with acting(deps) as connection:
            marks.unmute_incident(connection, incident_id)
            _note(connection, "incident.unmute", incident_id)
        return _told(incident_id, "It is told of again.")


def _add_ends(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/<int:incident_id>/probe")
    @requires(Role.OPERATOR)
    def probe(incident_id: int) -> Response:
        with acting(deps) as connection:
            line = find_incident(connection, incident_id)
            asked = request_probe(connection, line.connection_id) if line.is_probed else []
            _note(connection, "incident.probe", incident_id)
        told = "The connection's next job is the probe." if asked else "No job waits for it: there is nothing to probe."
        return _told(incident_id, told)

    @blueprint.get("/<int:incident_id>/resolve")
    @requires(Role.OPERATOR)
    def confirm_resolve(incident_id: int) -> str:
        with deps.database.transaction() as connection:
            return render_template("incidents/resolve.html", incident=find_incident(connection, incident_id))

    @blueprint.post("/<int:incident_id>/resolve")
    @requires(Role.OPERATOR)
    def resolve(incident_id: int) -> Response:
        with acting(deps) as connection:
            resolved = marks.resolve_incident(connection, incident_id, by=current_user().name)
            if resolved is not None:
                _note(connection, "incident.resolve", incident_id)
        said = "It was over already." if resolved is None else "It is resolved, and its lanes go on."
        return _told(incident_id, said)


def _add_alike(blueprint: Blueprint, deps: Deps) -> None:
    """To all that are open and say the same."""

    @blueprint.post("/alike/<fingerprint>/assign")
    @requires(Role.OPERATOR)
    def assign_alike(fingerprint: str) -> Response:
        to = assignee()
        with acting(deps) as connection:
            count = marks.assign_incidents(connection, fingerprint, to)
            note(connection, "incident.assign_alike", "incidents", fingerprint, to=to, incidents=count)
        return _alike(f"{to or 'Nobody'} sees to {count} of them.")

    @blueprint.post("/alike/<fingerprint>/mute")
    @requires(Role.OPERATOR)
    def mute_alike(fingerprint: str) -> Response:
        until = muted_until(deps)
        with acting(deps) as connection:
            marks.mute_incidents(connection, fingerprint, by=current_user().name, until=until)
            told = {"until": until and until.isoformat()}
            note(connection, "incident.mute_alike", "incidents", fingerprint, **told)
        return _alike("They are muted, those that are still to come, too.")

    @blueprint.post("/alike/<fingerprint>/unmute")
    @requires(Role.OPERATOR)
    def unmute_alike(fingerprint: str) -> Response:
        with acting(deps) as connection:
            marks.unmute_incidents(connection, fingerprint)
            note(connection, "incident.unmute_alike", "incidents", fingerprint)
        return _alike("They are told of again.")


def before_of(given: Any) -> tuple[datetime, int] | None:
    """Where a page begins, by the address's `before` and `id`; None for the first, and for what is neither."""
    try:
        at, identity = datetime.fromisoformat(given.get("before", "")), int(given.get("id", ""))
    except ValueError:
        return None
    return (at, identity) if at.tzinfo is not None and abs(identity) < 2**63 else None


def after_of(at: datetime, identity: int) -> dict[str, str]:
    """What `before_of` reads."""
    return {"before": at.isoformat(), "id": str(identity)}


def _note(connection: psycopg.Connection, action: str, incident_id: int, **detail: Any) -> None:
    line = find_incident(connection, incident_id)
    note(connection, action, "incident", incident_id, account_id=line.account_id, **detail)


def _told(incident_id: int, sentence: str) -> Response:
    flash(sentence, "good")
    return redirect(url_for("incidents.page", incident_id=incident_id), 303)


def _alike(sentence: str) -> Response:
    flash(sentence, "good")
    return redirect(back(url_for("incidents.index")), 303)
