"""The application: the resources below /services/data and whatever else it is given, with what holds for all requests.

Facts: "Status Codes and Error Responses", "Headers", "API Request Limits and Allocations" (developer.salesforce.com,
REST API Developer Guide).
"""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Flask, Response, current_app, jsonify
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from infra.local.salesforce import changes, collections, composite, limits, objects, query, rows
from infra.local.salesforce.admission import Admission
from infra.local.salesforce.errors import SalesforceError, not_found
from infra.local.salesforce.org import Org
from infra.local.salesforce.request import Sessions


def create_app(org: Org, sessions: Sessions, blueprints: Iterable[Blueprint] = ()) -> Flask:
    """The application over an org.

    What is below /services/data/<version>/ needs a session and counts as a call; the rest is left to its blueprints.
    """
    app = Flask("infra.local.salesforce", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the provider that Flask comes with has it
    # Salesforce neither redirects nor minds a slash at the end.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    admission = Admission(org, sessions)
    app.before_request(admission.admit)
    app.after_request(admission.label)
    app.teardown_request(admission.release)
    app.register_error_handler(SalesforceError, _refusal)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failure)
    for blueprint in (*_resources(org), *blueprints):
        app.register_blueprint(blueprint)
    return app


def _resources(org: Org) -> list[Blueprint]:
    whole = [part.blueprint() for part in (objects, rows, changes, collections, composite, limits)]
    return [limits.versions(), query.blueprint(org), *whole]


def _refusal(error: SalesforceError) -> Response:
    response = jsonify(error.json())
    response.status_code = error.status
    return response


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, NotFound):
        return _refusal(not_found())
    if isinstance(error, MethodNotAllowed):
        allowed = ",".join(sorted(set(error.valid_methods or ()) - {"OPTIONS"}))
        message = f"HTTP Method not allowed. Allowed are {allowed}"
        return _refusal(SalesforceError(405, "METHOD_NOT_ALLOWED", message))
    if error.code is not None and error.code < 400:
        return Response(error.get_body(), error.code, error.get_headers())
    return _refusal(SalesforceError(error.code or 500, "UNKNOWN_EXCEPTION", error.description or error.name))


def _failure(error: Exception) -> Response:
    current_app.logger.error("The sandbox org failed.", exc_info=error)
    return _refusal(SalesforceError(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."))
