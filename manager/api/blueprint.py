"""The JSON API, put together."""

from __future__ import annotations

from flask_openapi3.blueprint import APIBlueprint

from manager.api.accounts import accounts_api
from manager.api.anomalies import anomalies_api
from manager.api.audit import audit_api
from manager.api.connections import connections_api
from manager.api.costs import costs_api
from manager.api.describing import answer_refusals
from manager.api.document import describe
from manager.api.figures import figures_api
from manager.api.groups import groups_api
from manager.api.incidents import incidents_api
from manager.api.jobs import jobs_api
from manager.api.lanes import lanes_api
from manager.api.problems import PREFIX
from manager.api.schedules import schedules_api
from manager.api.servants import servants_api
from manager.api.types import types_api
from manager.deps import Deps

#: By resource, in the order of the pages.
PARTS = (
    jobs_api,
    groups_api,
    servants_api,
    schedules_api,
    types_api,
    lanes_api,
    accounts_api,
    connections_api,
    incidents_api,
    anomalies_api,
    figures_api,
    costs_api,
    audit_api,
)


def api_blueprint(deps: Deps) -> APIBlueprint:
    """Everything below `/api/v1`."""
    api = APIBlueprint("api", __name__, url_prefix=PREFIX)
    answer_refusals(api)
    describe(api)
    for part in PARTS:
        api.register_api(part(deps))
    return api
