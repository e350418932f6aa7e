"""sObject Collections: up to 200 rows at once, each with a result of its own.

Facts: "sObject Collections", "Upsert Records Using sObject Collections" (REST API Developer Guide).
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.external_rows import external_field
from infra.local.salesforce.ids import normal_id
from infra.local.salesforce.many import Sent, changed, record_type, without_attributes
from infra.local.salesforce.query import selected
from infra.local.salesforce.records import Edit
from infra.local.salesforce.request import caller, flag, json_object, resource
from infra.local.salesforce.results import RowResult
from infra.local.salesforce.row_reading import malformed_id, quoted_text

MAX_RECORDS = 200

#: Ids that one read may name.
MAX_READ = 2_000


def blueprint() -> Blueprint:
    """The resources."""
    pages = resource("collections", "/composite/sobjects")
    _add_changes(pages)
    _add_reads(pages)
    return pages


def _add_changes(pages: Blueprint) -> None:
    @pages.post("/")
    def create() -> Response:
        records, whole = _records()
        pairs = [(record_type(record), without_attributes(record)) for record in records]
        return _told(changed(caller(), pairs, Edit.insert, all_or_none=whole))

    @pages.patch("/")
    def update() -> Response:
        records, whole = _records()
        pairs = [(record_type(record), without_attributes(record)) for record in records]
        return _told(changed(caller(), pairs, Edit.update, all_or_none=whole))

    @pages.delete("/")
    def delete() -> Response:
        ids = [part.strip() for part in request.args.get("ids", "").split(",") if part.strip()]
        _require_few(len(ids), MAX_RECORDS)
        with caller().edit() as edit:
            return _told(edit.delete(ids, all_or_none=flag(request.args.get("allOrNone"))))

    @pages.patch("/<name>/<field>")
    def upsert(name: str, field: str) -> Response:
        records, whole = _records()
        key = external_field(caller(), name, field).name
        if any(record_type(record).lower() != name.lower() for record in records):
            raise SalesforceError(400, "INVALID_TYPE", f"All records must be of type {name}")
        with caller().edit() as edit:
            rows = [without_attributes(record) for record in records]
            results = edit.upsert(name, rows, key=key, all_or_none=whole)
        return jsonify([result.json() | {"created": result.created} for result in results])


def _add_reads(pages: Blueprint) -> None:
    @pages.get("/<name>")
    def read(name: str) -> Response:
        return _rows(name, request.args.get("ids", "").split(","), request.args.get("fields", "").split(","))

    @pages.post("/<name>")
    def read_posted(name: str) -> Response:
        body = json_object()
        return _rows(name, _texts(body.get("ids")), _texts(body.get("fields")))


def _records() -> tuple[list[Sent], bool]:
    """The rows that were sent, and whether they go together."""
    body = json_object()
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise SalesforceError(400, "JSON_PARSER_ERROR", "records must be a list of objects")
    _require_few(len(records), MAX_RECORDS)
    return records, flag(body.get("allOrNone"))


def _require_few(count: int, most: int) -> None:
    if not 0 < count <= most:
        message = f"The request has {count} records; from 1 to {most} are allowed"
        raise SalesforceError(400, "LIMIT_EXCEEDED" if count else "REQUIRED_FIELD_MISSING", message)


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _told(results: list[RowResult]) -> Response:
    return jsonify([result.json() for result in results])


def _rows(name: str, ids: list[str], fields: list[str]) -> Response:
    """Rows in the order of their ids, null where there is none ("Get Records Using sObject Collections")."""
    named = [field.strip() for field in fields if field.strip()]
    if not named:
        raise SalesforceError(400, "REQUIRED_FIELD_MISSING", "fields must be named")
    _require_few(len(ids), MAX_READ)
    wanted = [_whole(one.strip()) for one in ids]
    columns = named if any(field.lower() == "id" for field in named) else ["Id", *named]
    listed = ", ".join(quoted_text(one) for one in dict.fromkeys(wanted))
    text = f"SELECT {', '.join(columns)} FROM {caller().schema.object(name).name} WHERE Id IN ({listed})"
    found = {record["Id"]: record for record in selected(caller(), text)}
    return jsonify([found.get(one) for one in wanted])


def _whole(text: str) -> str:
    found = normal_id(text)
    if found is None:
        raise malformed_id(text)
    return found
