"""What load balancers and supervisors ask. No sign-in, no secret."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from manager.readiness import Readiness
from manager.roles import public


def health_blueprint(readiness: Callable[[], Readiness]) -> Blueprint:
    """Answers for this process alone, and for what it stands on."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz", endpoint="process")
    @public
    def process() -> Response:
        return jsonify(status="alive")

    @blueprint.get("/readyz", endpoint="readiness")
    @public
    def ready() -> tuple[Response, int]:
        found = readiness()
        return jsonify(found), 200 if found.ready else 503

    return blueprint
