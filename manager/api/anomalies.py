"""`/api/v1/anomalies`."""

from __future__ import annotations

import psycopg
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import TypeAdapter

from infra.postgres import anomalies as stored
from infra.postgres.anomalies import AnomalyLine, AnomalyOfAccount, AnomalyState
from infra.postgres.trouble_notes import TroubleNote, note_anomaly, notes_of_anomaly
from manager.acting import acting
from manager.api.describing import answer, answers, resource
from manager.api.marking import Assignee, Mute, NewNote
from manager.api.shapes import ACCOUNT_ID, ID, TIME_AND_ID, Page, Paged, Shape, Word, read_place
from manager.audit import note
from manager.deps import Deps
from manager.roles import Role, current_user, requires

_ACCOUNT = TypeAdapter(tuple[ACCOUNT_ID])


class AnomaliesAsked(Paged):
    """Which anomalies."""

    state: AnomalyState = AnomalyState.OPEN
    type: Word | None = None
    account_id: ID | None = None


class Anomalies(Page[AnomalyLine]):
    """Anomalies, the last seen first."""


class AnomalyPath(Shape):
    """One anomaly."""

    anomaly_id: ID


class Anomaly(Shape):
    """One anomaly, and what people noted."""

    anomaly: AnomalyLine
    notes: list[TroubleNote]


class AnomalyAccounts(Page[AnomalyOfAccount]):
    """The accounts that met it, by ID; null is jobs of no account."""


def anomalies_api(deps: Deps) -> APIBlueprint:
    """Looking at anomalies and marking them."""
    anomalies = resource("anomalies", "Anomalies: list, show, accounts, assign, note, mute, resolve, open again.")
    _add_reads(anomalies, deps)
    _add_marks(anomalies, deps)
    _add_states(anomalies, deps)
    return anomalies


def _add_reads(anomalies: APIBlueprint, deps: Deps) -> None:
    @anomalies.get("", responses=answers(Anomalies))
    @requires(Role.VIEWER)
    def list_(query: AnomaliesAsked) -> Response:
        """Anomalies, the last seen first."""
        before = read_place(query.after, TIME_AND_ID)
        with deps.database.transaction() as connection:
            found = stored.list_anomalies(
                connection,
                states=[query.state],
                type=query.type,
                account_id=query.account_id,
                before=before,
                limit=query.limit + 1,
            )
        return answer(Anomalies.of(found, query.limit, lambda line: (line.last_seen_at, line.id)))

    @anomalies.get("/<int:anomaly_id>", responses=answers(Anomaly, 404))
    @requires(Role.VIEWER)
    def show(path: AnomalyPath) -> Response:
        """One anomaly, with its notes."""
        with deps.database.transaction() as connection:
            return answer(_told(connection, path.anomaly_id))

    @anomalies.get("/<int:anomaly_id>/accounts", responses=answers(AnomalyAccounts, 404))
    @requires(Role.VIEWER)
    def accounts(path: AnomalyPath, query: Paged) -> Response:
        """The accounts that met it, with the last job and what it found."""
        (after,) = read_place(query.after, _ACCOUNT) or (-1,)
        with deps.database.transaction() as connection:
            stored.anomaly_of_id(connection, path.anomaly_id)
            found = stored.accounts_of(connection, path.anomaly_id, after=after, limit=query.limit + 1)
        return answer(AnomalyAccounts.of(found, query.limit, lambda line: (line.account_id or 0,)))


def _add_marks(anomalies: APIBlueprint, deps: Deps) -> None:
    @anomalies.post("/<int:anomaly_id>/assign", responses=answers(Anomaly, 404, 413))
    @requires(Role.OPERATOR)
    def assign(path: AnomalyPath, body: Assignee) -> Response:
        """Say who sees to it."""
        with acting(deps) as connection:
            stored.assign_anomaly(connection, path.anomaly_id, body.to)
            note(connection, "anomaly.assign", "anomaly", path.anomaly_id, to=body.to)
            return answer(_told(connection, path.anomaly_id))

    @anomalies.post("/<int:anomaly_id>/notes", responses=answers(Anomaly, 404, 413))
    @requires(Role.OPERATOR)
    def add_note(path: AnomalyPath, body: NewNote) -> Response:
        """Write a note for those who look next."""
        with acting(deps) as connection:
            note_anomaly(connection, path.anomaly_id, author=current_user().name, text=body.text)
            note(connection, "anomaly.note", "anomaly", path.anomaly_id)
            return answer(_told(connection, path.anomaly_id))


def _add_states(anomalies: APIBlueprint, deps: Deps) -> None:
    @anomalies.post("/<int:anomaly_id>/resolve", responses=answers(Anomaly, 404))
    @requires(Role.OPERATOR)
    def resolve(path: AnomalyPath) -> Response:
        """It was seen to: not shown until it is seen again."""
        with acting(deps) as connection:
            stored.resolve_anomaly(connection, path.anomaly_id, by=current_user().name)
            note(connection, "anomaly.resolve", "anomaly", path.anomaly_id)
            return answer(_told(connection, path.anomaly_id))

    @anomalies.post("/<int:anomaly_id>/mute", responses=answers(Anomaly, 404, 413))
    @requires(Role.OPERATOR)
    def mute(path: AnomalyPath, body: Mute) -> Response:
        """It is known: counted on, and told nobody."""
        with acting(deps) as connection:
            stored.mute_anomaly(connection, path.anomaly_id, by=current_user().name, until=body.until)
            note(connection, "anomaly.mute", "anomaly", path.anomaly_id, until=body.told)
            return answer(_told(connection, path.anomaly_id))

    @anomalies.post("/<int:anomaly_id>/reopen", responses=answers(Anomaly, 404))
    @requires(Role.OPERATOR)
    def reopen(path: AnomalyPath) -> Response:
        """Neither resolved nor muted any more."""
        with acting(deps) as connection:
            stored.reopen_anomaly(connection, path.anomaly_id)
            note(connection, "anomaly.reopen", "anomaly", path.anomaly_id)
            return answer(_told(connection, path.anomaly_id))


def _told(connection: psycopg.Connection, anomaly_id: int) -> Anomaly:
    line = stored.anomaly_of_id(connection, anomaly_id)
    return Anomaly(anomaly=line, notes=notes_of_anomaly(connection, anomaly_id))
