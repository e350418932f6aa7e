"""Servants: the processes that perform jobs, by type; one may be drained or restarted."""

from __future__ import annotations

from flask import Blueprint

from manager.deps import Deps
from manager.servants.actions import add_actions
from manager.servants.pages import add_pages


def servants_blueprint(deps: Deps) -> Blueprint:
    """The list, one servant, and what can be asked of it."""
    blueprint = Blueprint("servants", __name__, url_prefix="/servants")
    add_pages(blueprint, deps)
    add_actions(blueprint, deps)
    return blueprint
