"""Jobs: the list with its query, one job with all that is known of it, and what can be done to one or to many."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint

from infra.postgres.bulk_acts import LEFT_ALONE
from manager.deps import Deps
from manager.jobs.actions import add_actions
from manager.jobs.bulk import add_bulk
from manager.jobs.listing import add_listing
from manager.jobs.pages import add_pages
from manager.jobs.queries import query_of


def jobs_blueprint(deps: Deps) -> Blueprint:
    """Gives all templates `job_query(account=…, state=…)`, for links to the jobs of something."""
    blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")
    blueprint.add_app_template_global(query_of, "job_query")
    blueprint.add_app_template_global(_left_alone_words, "left_alone_words")
    blueprint.add_app_template_filter(_pretty, "pretty")
    add_listing(blueprint, deps)
    add_pages(blueprint, deps)
    add_actions(blueprint, deps)
    add_bulk(blueprint, deps)
    return blueprint


def _left_alone_words(reason: str) -> str:
    return LEFT_ALONE.get(reason, reason)


def _pretty(value: Any) -> str:
    """JSON as people read it; the template escapes it."""
    return json.dumps(value, indent=2, ensure_ascii=False)
