"""Control of what an admin does in Setup: objects, fields, formulas and permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.control_edits import user_of
from infra.local.salesforce.metadata import Field, new_field, new_object
from infra.local.salesforce.org import Org
from infra.local.salesforce.parts import Parts


def blueprint(parts: Parts) -> Blueprint:
    """objects, permissions."""
    pages = Blueprint("control_setup", __name__, url_prefix="/sandbox")
    org, catalog = parts.org, parts.org.catalog

    @pages.post("/objects")
    def add_object() -> Response:
        body = request.get_json()
        fields = [_field(one) for one in body["fields"]]
        if not any(field.name == "Name" for field in fields):
            fields.insert(0, new_field("Name", "string", length=80))
        catalog.add_object(new_object(body["name"], fields))
        return jsonify({})

    @pages.delete("/objects/<name>")
    def remove_object(name: str) -> Response:
        catalog.remove_object(name)
        return jsonify({})

    @pages.post("/objects/<name>/fields")
    def add_field(name: str) -> Response:
        catalog.add_field(name, _field(request.get_json()))
        return jsonify({})

    @pages.post("/objects/<name>/fields/<field>")
    def change_field(name: str, field: str) -> Response:
        body = request.get_json()
        if "formula" in body and "type" not in body:
            catalog.set_formula(name, field, body["formula"])
        else:
            catalog.retype_field(name, _field({**body, "name": field}))
        return jsonify({})

    @pages.delete("/objects/<name>/fields/<field>")
    def remove_field(name: str, field: str) -> Response:
        catalog.remove_field(name, field)
        return jsonify({})

    @pages.post("/permissions")
    def permit() -> Response:
        _permit(org, request.get_json())
        return jsonify({})

    return pages


def _field(about: Mapping[str, Any]) -> Field:
    rest = {name: tuple(value) if isinstance(value, list) else value for name, value in about.items()}
    return new_field(str(rest.pop("name")), str(rest.pop("type")), **rest)


def _permit(org: Org, body: Mapping[str, Any]) -> None:
    profile = user_of(org, body["user"]).profile_id
    if "system" in body:
        org.security.set_system(profile, body["system"], body["on"])
    elif body["field"] is None:
        org.security.set_object(profile, body["object"], **body["rights"])
    else:
        org.security.set_field(profile, body["object"], body["field"], **body["rights"])
