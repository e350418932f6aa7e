"""Schedules: the standing rules that make jobs."""

from __future__ import annotations

from flask import Blueprint

from infra.rule_words import rule_words
from manager.deps import Deps
from manager.schedules.actions import add_actions
from manager.schedules.forms import add_forms
from manager.schedules.pages import add_pages


def schedules_blueprint(deps: Deps) -> Blueprint:
    """The list, one schedule, the forms for a new one and for changes, and what can be done at once."""
    blueprint = Blueprint("schedules", __name__, url_prefix="/schedules")
    blueprint.add_app_template_global(rule_words, "rule_words")
    add_pages(blueprint, deps)
    add_forms(blueprint, deps)
    add_actions(blueprint, deps)
    return blueprint
