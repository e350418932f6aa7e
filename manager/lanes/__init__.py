"""Types, their queues and their lanes: what waits, who holds what, limits and weights."""

from __future__ import annotations

from flask import Blueprint

from manager.deps import Deps
from manager.lanes.actions import add_actions
from manager.lanes.pages import add_pages
from manager.lanes.types import add_type_actions, add_types


def lanes_blueprint(deps: Deps) -> Blueprint:
    """All of them under one entry of the navigation: a lane is one type's."""
    blueprint = Blueprint("lanes", __name__, url_prefix="/lanes")
    add_pages(blueprint, deps)
    add_types(blueprint, deps)
    add_actions(blueprint, deps)
    add_type_actions(blueprint, deps)
    return blueprint
