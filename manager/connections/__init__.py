"""A connection: what it keeps in step, what it may still call, what holds its lanes, and what operators do with it."""

from __future__ import annotations

from flask import Blueprint

from manager.connections.actions import add_actions
from manager.connections.pages import add_pages
from manager.deps import Deps


def connections_blueprint(deps: Deps) -> Blueprint:
    """`/connections/ID`; an account's page lists its own."""
    blueprint = Blueprint("connections", __name__, url_prefix="/connections")
    add_pages(blueprint, deps)
    add_actions(blueprint, deps)
    return blueprint
