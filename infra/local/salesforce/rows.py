"""Create, read, update, delete one row by its id or an external id.

Facts: "sObject Rows", "sObject Rows by External ID" (REST API Developer Guide).
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.errors import not_found
from infra.local.salesforce.external_rows import add_external_rows
from infra.local.salesforce.ids import normal_id
from infra.local.salesforce.request import Caller, caller, json_object, resource
from infra.local.salesforce.row_answers import require, saved
from infra.local.salesforce.row_reading import malformed_id, row


def blueprint() -> Blueprint:
    """The resources."""
    pages = resource("rows", "/sobjects")
    _add_rows(pages)
    add_external_rows(pages)
    return pages


def _add_rows(pages: Blueprint) -> None:
    @pages.post("/<name>")
    def create(name: str) -> Response:
        by = caller()
        sobject = by.object(name)
        with by.edit() as edit:
            (result,) = edit.insert(sobject.name, [json_object()])
        return saved(result, f"{by.base}/sobjects/{sobject.name}")

    @pages.get("/<name>/<record_id>")
    def read(name: str, record_id: str) -> Response:
        return jsonify(row(caller(), name, "Id", record_id, request.args.get("fields")))

    @pages.patch("/<name>/<record_id>")
    def update(name: str, record_id: str) -> Response:
        by = caller()
        row_id = _row_id(by, name, record_id)
        with by.edit() as edit:
            (result,) = edit.update(name, [json_object() | {"Id": row_id}])
        require(result)
        return Response(status=204)

    @pages.delete("/<name>/<record_id>")
    def delete(name: str, record_id: str) -> Response:
        by = caller()
        row_id = _row_id(by, name, record_id)
        with by.edit() as edit:
            (result,) = edit.delete([row_id])
        require(result)
        return Response(status=204)


def _row_id(by: Caller, name: str, record_id: str) -> str:
    """The id of an object's row that a path names.

    Raises:
        SalesforceError: MALFORMED_ID, NOT_FOUND.
    """
    sobject = by.object(name)
    found = normal_id(record_id)
    if found is None:
        raise malformed_id(record_id)
    if not found.startswith(sobject.prefix):
        raise not_found()
    return found
