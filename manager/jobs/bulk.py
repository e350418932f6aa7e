"""The same to all jobs that a query asks for: what would be done first, then a job that does it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.wrappers import Response

from infra.job_query import QueryError, parse_query
from infra.postgres import bulk as bulks
from infra.postgres.job_bulk import order_of
from infra.postgres.job_criteria import look_up
from manager.acting import acting
from manager.audit import note
from manager.deps import Deps
from manager.jobs.moments import moment_of
from manager.jobs.queries import asked_text
from manager.roles import Role, requires
from retinue.bulk import RATE, Bulk, BulkOrder, Operation, bulk_order
from retinue.errors import InvalidPayload, NotAllowed

#: How long a preview counts, in seconds: a page does not wait for more. The job that does it shows how far it is by a
#: count that was given more time.
PREVIEW_SECONDS = 0.05
START_SECONDS = 0.1

_SALT = "retinue.bulk"

_PATH = "/bulk/<any(retry, cancel, reschedule):operation>"


def add_bulk(blueprint: Blueprint, deps: Deps) -> None:
    """A page that asks first, and what it asks about."""

    @blueprint.get(_PATH)
    @requires(Role.OPERATOR)
    def preview_bulk(operation: str) -> str:
        text = asked_text()
        with deps.database.transaction() as connection:
            order, problem = _tried(deps, connection, Operation(operation), text)
            found = None if order is None else bulks.preview(connection, order, search_seconds=PREVIEW_SECONDS)
        told = {"operation": operation, "text": text, "found": found, "problem": problem, "order": order}
        return render_template("jobs/bulk.html", sealed=order and _sealed(text, order), rate=RATE, **told)

    @blueprint.post(_PATH)
    @requires(Role.OPERATOR)
    def start_bulk(operation: str) -> Response:
        text, shown = _opened(Operation(operation))
        order = _completed(shown, now=deps.clock.now())
        with acting(deps) as connection:
            found = bulks.preview(connection, order, search_seconds=START_SECONDS)
            job_id = bulks.start(connection, order, expected=found.expected)
            told = {"query": text, "bulk_job": job_id, "rate": order.rate}
            note(connection, f"jobs.bulk_{operation}", "jobs", None, account_id=order.filter.account_id, **told)
        flash(f"Job {job_id} does it, at most {order.rate:g} jobs a second. This page follows it.", "good")
        return redirect(url_for("jobs.page", job_id=job_id), 303)


def _tried(
    deps: Deps, connection: psycopg.Connection, operation: Operation, text: str
) -> tuple[Bulk | None, str | None]:
    """The order with its boundary, or why there can be none."""
    try:
        return bulks.bounded(connection, _order(deps, connection, operation, text)), None
    except (NotAllowed, InvalidPayload) as refusal:
        return None, refusal.message


def _order(deps: Deps, connection: psycopg.Connection, operation: Operation, text: str) -> BulkOrder:
    try:
        criteria = look_up(connection, parse_query(text))
    except QueryError as error:
        raise NotAllowed(error.message) from None
    # A preview counts the same whatever the time will be.
    run_at = moment_of(None, "1h", now=deps.clock.now()) if operation is Operation.RESCHEDULE else None
    return order_of(criteria, operation, run_at=run_at, rate=_rate())


def _sealed(text: str, order: Bulk) -> str:
    return _signer().dumps([text, order.model_dump(mode="json")])


def _opened(operation: Operation) -> tuple[str, Bulk]:
    """The query and the order that the form's page has shown: nothing that came since is touched."""
    try:
        text, order = _signer().loads(request.form.get("order", ""))
    except BadSignature:
        raise NotAllowed("Look at what would be done first: this form says nothing of it.") from None
    bulk = Bulk.model_validate(order)
    if bulk.operation is not operation:
        raise NotAllowed(f"This form is to {bulk.operation}, not to {operation}.")
    return text, bulk


def _completed(shown: Bulk, *, now: datetime) -> Bulk:
    """The order with what the form asks for beside it."""
    more: dict[str, Any] = {}
    if (rate := _rate()) is not None:
        more["rate"] = rate
    if shown.operation is Operation.RESCHEDULE:
        at, delay = request.form.get("at"), request.form.get("in")
        more["run_at"] = moment_of(at, None if at else delay, now=now)
    checked = bulk_order(**shown.model_dump(include=set(BulkOrder.model_fields)) | more)
    return shown.model_copy(update={"rate": checked.rate, "run_at": checked.run_at})


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(str(current_app.secret_key), salt=_SALT)


def _rate() -> float | None:
    text = request.values.get("rate", "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise NotAllowed(f"{text[:20]!r} is no rate: write a number of jobs a second.") from None
