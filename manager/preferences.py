"""What a reader chooses for this browser alone."""

from __future__ import annotations

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from manager.back import back
from manager.roles import Role, requires
from manager.ui import THEMES

#: A year, in seconds.
KEPT_SECONDS = 31_536_000


def preferences_blueprint() -> Blueprint:
    """The theme. It is kept in a cookie, so that a page has its colours from the first moment."""
    blueprint = Blueprint("preferences", __name__)

    @blueprint.post("/preferences/theme")
    @requires(Role.VIEWER)
    def theme() -> Response:
        response = redirect(back("/"), 303)
        chosen = request.form.get("theme")
        if chosen in THEMES:
            response.set_cookie("theme", chosen, max_age=KEPT_SECONDS, samesite="Lax")
        else:
            response.delete_cookie("theme")
        return response

    return blueprint
