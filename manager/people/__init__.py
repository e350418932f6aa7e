"""Who may sign in: the people, what each may do, and their sessions."""

from __future__ import annotations

from flask import Blueprint

from manager.deps import Deps
from manager.people.actions import add_actions
from manager.people.pages import add_pages


def people_blueprint(deps: Deps) -> Blueprint:
    """For admins alone."""
    blueprint = Blueprint("people", __name__, url_prefix="/people")
    add_pages(blueprint, deps)
    add_actions(blueprint, deps)
    return blueprint
