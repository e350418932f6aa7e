"""The API's description of itself (OpenAPI 3.1), and a page of it for people."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, jsonify, render_template
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from werkzeug.wrappers import Response

from infra.version import VERSION
from manager.api.problems import PREFIX, Problem, unfit
from manager.roles import Role, requires

_ABOUT = """What the manager's pages show and do, for programs. Sign in with a token of your own (`/tokens`):
`Authorization: Bearer retinue_…`. Lists come in pages: `after` is the `next` of the page before. Times are in UTC."""

_SECURITY: dict[str, Any] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token; it may do what its role may."},
    "password": {"type": "http", "scheme": "basic", "description": "A person's name and password, for reading alone."},
}


def api_application(import_name: str) -> OpenAPI:
    """A Flask application that describes the API parts which are registered with it."""
    return OpenAPI(
        import_name,
        info=Info(title="Retinue", version=VERSION, description=_ABOUT),
        security_schemes=_SECURITY,
        doc_ui=False,
        validation_error_status=422,
        validation_error_model=Problem,
        validation_error_callback=unfit,
        openapi_extensions={"security": [{name: []} for name in _SECURITY]},
    )


def describe(api: APIBlueprint) -> None:
    """Add the document."""

    @api.get("/openapi.json", doc_ui=False)
    @requires(Role.VIEWER, one_account=True)
    def openapi() -> Response:
        """This document."""
        return jsonify(document())


def page_blueprint() -> Blueprint:
    """The document for people, at `/api`."""
    blueprint = Blueprint("api_page", __name__, url_prefix="/api")

    @blueprint.get("")
    @requires(Role.VIEWER)
    def page() -> str:
        return render_template("api/index.html", prefix=PREFIX, resources=resources(document()))

    return blueprint


def document() -> dict[str, Any]:
    """The OpenAPI document of the present application."""
    app: Any = current_app
    described: dict[str, Any] = app.api_doc
    return described


def resources(described: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """Method, path and summary of each operation, by the resource they are about."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for path, item in described["paths"].items():
        for method, operation in item.items():
            told = (method.upper(), path, operation.get("summary", ""))
            found.setdefault(operation["tags"][0], []).append(told)
    return found
