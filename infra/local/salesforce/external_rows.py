"""Rows by an external id."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import Field
from infra.local.salesforce.request import Caller, caller, json_object
from infra.local.salesforce.row_answers import require, saved
from infra.local.salesforce.row_reading import matching, row
from infra.local.salesforce.soql.places import invalid_field


def add_external_rows(pages: Blueprint) -> None:
    """Add the resources."""

    @pages.get("/<name>/<field>/<path:value>")
    def read_by(name: str, field: str, value: str) -> Response:
        by = caller()
        key = external_field(by, name, field)
        several = matching(by, by.object(name), key, value, ["Id"])
        if len(several) > 1:
            return _choices(by, name, [record["Id"] for record in several])
        return jsonify(row(by, name, key.name, value, request.args.get("fields")))

    @pages.patch("/<name>/<field>/<path:value>")
    def upsert(name: str, field: str, value: str) -> Response:
        by = caller()
        key = external_field(by, name, field)
        body = json_object()
        if any(word.lower() == "id" for word in body):
            message = "The Id field should not be specified in the sobject data."
            raise SalesforceError(400, "INVALID_FIELD", message, ["Id"])
        with by.edit() as edit:
            (result,) = edit.upsert(name, [body | {key.name: value}], key=key.name)
        return saved(result, f"{by.base}/sobjects/{by.object(name).name}", upserted=True)

    @pages.delete("/<name>/<field>/<path:value>")
    def delete_by(name: str, field: str, value: str) -> Response:
        by = caller()
        key = external_field(by, name, field)
        record = row(by, name, key.name, value, "Id")
        with by.edit() as edit:
            (result,) = edit.delete([record["Id"]])
        require(result)
        return Response(status=204)


def external_field(by: Caller, name: str, field: str) -> Field:
    """The field that a URL means by an external id; `Id` itself will do.

    Raises:
        SalesforceError: NOT_FOUND, INVALID_FIELD.
    """
    found = by.object(name).find(field)
    if found is None:
        message = f"Provided external ID field does not exist or is not accessible: {field}"
        raise SalesforceError(404, "NOT_FOUND", message)
    if not found.external_id and found.type != "id":
        raise invalid_field(f"{found.name} is not an external ID or indexed field")
    return found


def _choices(by: Caller, name: str, ids: list[str]) -> Response:
    """300: the URLs of the rows it may be ("sObject Rows by External ID")."""
    response = jsonify([f"{by.base}/sobjects/{name}/{record_id}" for record_id in ids])
    response.status_code = 300
    return response
