"""Control of the org's rows: edits, made-up ones in great number, and all of them for a test to compare with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.bulk_jobs import rows_of
from infra.local.salesforce.changes_log import empty_bins
from infra.local.salesforce.formulas import column_sql
from infra.local.salesforce.metadata import SObject
from infra.local.salesforce.org import Org, OrgUser
from infra.local.salesforce.parts import Parts
from infra.local.salesforce.records import Edit
from infra.local.salesforce.results import RowResult
from infra.local.salesforce.seeding import seed
from infra.local.salesforce.values import to_json

Body = Mapping[str, Any]

_OPERATIONS: dict[str, Callable[[Edit, Body], list[RowResult]]] = {
    "insert": lambda edit, body: edit.insert(body["object"], body["rows"]),
    "update": lambda edit, body: edit.update(body["object"], body["rows"]),
    "upsert": lambda edit, body: edit.upsert(body["object"], body["rows"], key=body["key"]),
    "delete": lambda edit, body: edit.delete(body["ids"]),
    "undelete": lambda edit, body: edit.undelete(body["ids"]),
    "purge": lambda edit, body: edit.purge(body["ids"]),
    "hard_delete": lambda edit, body: edit.hard_delete(body["ids"]),
}


def blueprint(parts: Parts) -> Blueprint:
    """records, seed, rows, empty_bins, purge_log."""
    pages = Blueprint("control_edits", __name__, url_prefix="/sandbox")
    org = parts.org

    @pages.post("/records")
    def edit_records() -> Response:
        body = request.get_json()
        with org.edit(user_of(org, body.get("user")), hold=body.get("hold")) as edit:
            results = _OPERATIONS[body["operation"]](edit, body)
        return jsonify([{"id": one.id, "created": one.created, "errors": _errors(one)} for one in results])

    @pages.post("/seed")
    def add_seed() -> Response:
        body = request.get_json()
        return jsonify({"rows": seed(org, body["object"], body["rows"], seed=body["seed"])})

    @pages.get("/rows/<name>")
    def rows(name: str) -> Response:
        lines = every_row(org, user_of(org, request.args.get("user")), name)
        return Response((json.dumps(row) + "\n" for row in lines), content_type="application/x-ndjson")

    @pages.post("/empty_bins")
    def bins() -> Response:
        return jsonify({"purged": empty_bins(org)})

    @pages.post("/purge_log")
    def log() -> Response:
        body = request.get_json()
        sobject = org.full_schema().object(body["object"])
        forgotten = org.log.forget(sobject, datetime.fromisoformat(body["before"]))
        return jsonify({"forgotten": forgotten})

    return pages


def user_of(org: Org, username: str | None) -> OrgUser:
    """The user with this name, the admin for None.

    Raises:
        LookupError: there is no such user.
    """
    if username is None:
        return org.admin
    user = org.user_named(username)
    if user is None:
        raise LookupError(f"The org has no user {username}")
    return user


def _errors(result: RowResult) -> list[dict[str, Any]]:
    return [error.json() for error in result.errors]


def every_row(org: Org, user: OrgUser, name: str) -> Iterator[dict[str, Any]]:
    """Every row of an object in order of Id, with all that this user may read of it."""
    sobject = org.schema(user).object(name)
    with closing(org.store.snapshot()) as snapshot:
        for row in rows_of(snapshot, _select(org, sobject), ()):
            yield {field.name: to_json(field, raw) for field, raw in zip(sobject.fields, row, strict=True)}


def _select(org: Org, sobject: SObject) -> str:
    full = org.full_schema()
    whole = full.object(sobject.name)
    columns = ", ".join(column_sql(full, whole, field, "t") for field in sobject.fields)
    return f'SELECT {columns} FROM "{whole.table}" AS t ORDER BY t."Id"'
