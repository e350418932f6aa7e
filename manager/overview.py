"""The first page, and the same as JSON."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, render_template

from manager.views import OverviewView


def overview_blueprint(look: Callable[[], OverviewView]) -> Blueprint:
    """Shows what `look` returns."""
    blueprint = Blueprint("overview", __name__)

    @blueprint.get("/")
    def page() -> str:
        return render_template("overview.html", view=look())

    @blueprint.get("/api/overview")
    def api() -> Response:
        return jsonify(look())

    return blueprint
