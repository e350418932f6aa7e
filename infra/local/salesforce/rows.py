"""Create, read, update, delete one row by its id or an external id.

Facts: "sObject Rows", "sObject Rows by External ID" (REST API Developer Guide).
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.external_rows import add_external_rows
from infra.local.salesforce.ids import normal_id
from infra.local.salesforce.request import caller, json_object, resource
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
        with caller().edit() as edit:
            (result,) = edit.insert(name, [json_object()])
        return saved(result, status=201)

    @pages.get("/<name>/<record_id>")
    def read(name: str, record_id: str) -> Response:
        return jsonify(row(caller(), name, "Id", record_id, request.args.get("fields")))

    @pages.patch("/<name>/<record_id>")
    def update(name: str, record_id: str) -> Response:
        with caller().edit() as edit:
            (result,) = edit.update(name, [json_object() | {"Id": _whole(record_id)}])
        require(result)
        return Response(status=204)

    @pages.delete("/<name>/<record_id>")
    def delete(name: str, record_id: str) -> Response:
        caller().schema.object(name)
        with caller().edit() as edit:
            (result,) = edit.delete([_whole(record_id)])
        require(result)
        return Response(status=204)


def _whole(record_id: str) -> str:
    found = normal_id(record_id)
    if found is None:
        raise malformed_id(record_id)
    return found
