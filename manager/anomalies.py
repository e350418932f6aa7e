"""Anomalies: what jobs found odd, by fingerprint, and each one's page with the accounts that met it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from infra.postgres import anomalies as stored
from infra.postgres.anomalies import AnomalyState
from infra.postgres.audit import actions_on
from infra.postgres.trouble_notes import note_anomaly, notes_of_anomaly
from manager.acting import acting
from manager.audit import note
from manager.deps import Deps
from manager.incidents import after_of, before_of
from manager.marking import MUTES, assignee, muted_until, names_offered
from manager.paging import address
from manager.roles import Role, current_user, requires
from retinue.errors import NotFound

#: Anomalies on one page, and accounts on an anomaly's.
SHOWN, SHOWN_ACCOUNTS = 50, 50


def anomalies_blueprint(deps: Deps) -> Blueprint:
    """`/anomalies`."""
    blueprint = Blueprint("anomalies", __name__, url_prefix="/anomalies")
    _add_list(blueprint, deps)
    _add_page(blueprint, deps)
    _add_actions(blueprint, deps)
    _add_states(blueprint, deps)
    return blueprint


def _add_list(blueprint: Blueprint, deps: Deps) -> None:
    def listed(given: dict[str, str]) -> list[stored.AnomalyLine]:
        with deps.database.transaction() as connection:
            return stored.list_anomalies(
                connection,
                states=[_state(given.get("state"))],
                type=given.get("type"),
                account_id=_number(given.get("account")),
                before=before_of(given),
                limit=SHOWN + 1,
            )

    @deps.live.part("anomalies.list")
    def part(given: dict[str, str]) -> str:
        return render_template(
            "anomalies/_list.html", anomalies=listed(given)[:SHOWN], state=_state(given.get("state"))
        )

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        names = ("state", "type", "account", "before", "id")
        given = {name: request.args[name] for name in names if request.args.get(name)}
        found = listed(given)
        last = found[SHOWN - 1] if len(found) > SHOWN else None
        older = address(**after_of(last.last_seen_at, last.id)) if last else None
        return render_template(
            "anomalies/index.html",
            anomalies=found[:SHOWN],
            given=given,
            state=_state(given.get("state")),
            states=list(AnomalyState),
            older=older,
        )


def _add_page(blueprint: Blueprint, deps: Deps) -> None:
    @deps.live.part("anomalies.state")
    def part(given: dict[str, str]) -> str:
        with deps.database.transaction() as connection:
            return render_template(
                "anomalies/_state.html", anomaly=stored.anomaly_of_id(connection, int(given["anomaly"]))
            )

    @blueprint.get("/<int:anomaly_id>")
    @requires(Role.VIEWER)
    def page(anomaly_id: int) -> str:
        after = _number(request.args.get("after"))
        with deps.database.transaction() as connection:
            line = stored.anomaly_of_id(connection, anomaly_id)
            met = stored.accounts_of(
                connection, anomaly_id, after=-1 if after is None else after, limit=SHOWN_ACCOUNTS + 1
            )
            told: dict[str, Any] = {
                "notes": notes_of_anomaly(connection, anomaly_id),
                "names": names_offered(connection),
                "did": actions_on(connection, "anomaly", anomaly_id),
            }
        shown = met[:SHOWN_ACCOUNTS]
        older = address(after=shown[-1].account_id or 0) if len(met) > SHOWN_ACCOUNTS else None
        return render_template("anomalies/page.html", anomaly=line, met=shown, older=older, mutes=MUTES, **told)


def _add_actions(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/<int:anomaly_id>/assign")
    @requires(Role.OPERATOR)
    def assign(anomaly_id: int) -> Response:
        to = assignee()
        with acting(deps) as connection:
            stored.assign_anomaly(connection, anomaly_id, to)
            note(connection, "anomaly.assign", "anomaly", anomaly_id, to=to)
        return _told(anomaly_id, f"{to or 'Nobody'} sees to it.")

    @blueprint.post("/<int:anomaly_id>/note")
    @requires(Role.OPERATOR)
    def write(anomaly_id: int) -> Response:
        with acting(deps) as connection:
            note_anomaly(connection, anomaly_id, author=current_user().name, text=request.form.get("text", ""))
            note(connection, "anomaly.note", "anomaly", anomaly_id)
        return _told(anomaly_id, "Noted.")


def _add_states(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/<int:anomaly_id>/resolve")
    @requires(Role.OPERATOR)
    def resolve(anomaly_id: int) -> Response:
        with acting(deps) as connection:
            stored.resolve_anomaly(connection, anomaly_id, by=current_user().name)
            note(connection, "anomaly.resolve", "anomaly", anomaly_id)
        return _told(anomaly_id, "It is resolved. If it is seen again it opens again.")

    @blueprint.post("/<int:anomaly_id>/mute")
    @requires(Role.OPERATOR)
    def mute(anomaly_id: int) -> Response:
        until = muted_until(deps)
        with acting(deps) as connection:
            stored.mute_anomaly(connection, anomaly_id, by=current_user().name, until=until)
            note(connection, "anomaly.mute", "anomaly", anomaly_id, until=until and until.isoformat())
        return _told(anomaly_id, "It is muted: counted on, and told nobody.")

    @blueprint.post("/<int:anomaly_id>/reopen")
    @requires(Role.OPERATOR)
    def reopen(anomaly_id: int) -> Response:
        with acting(deps) as connection:
            stored.reopen_anomaly(connection, anomaly_id)
            note(connection, "anomaly.reopen", "anomaly", anomaly_id)
        return _told(anomaly_id, "It is open.")


def _state(text: str | None) -> AnomalyState:
    try:
        return AnomalyState(text or AnomalyState.OPEN)
    except ValueError:
        raise NotFound(f"There is no state {str(text)[:40]!r}. There are: {', '.join(AnomalyState)}.") from None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


def _told(anomaly_id: int, sentence: str) -> Response:
    flash(sentence, "good")
    return redirect(url_for("anomalies.page", anomaly_id=anomaly_id), 303)
