"""The Flask application."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from flask import Blueprint, Flask
from flask.json.provider import DefaultJSONProvider
from flask_openapi3.openapi import OpenAPI

from infra.metrics import new_registry
from infra.postgres.account_database import AccountDatabase
from infra.postgres.connect import Database
from infra.postgres.metrics_targets import metrics_targets
from infra.queues.transport import Queues
from infra.settings import Settings
from infra.settings_checks import DEFAULT_PASSWORD
from infra.version import VERSION
from manager import formats
from manager.access_log import AccessLog
from manager.account import account_blueprint
from manager.account_members import account_members_blueprint
from manager.accounts import accounts_blueprint
from manager.anomalies import anomalies_blueprint
from manager.api.blueprint import api_blueprint
from manager.api.document import api_application, page_blueprint
from manager.assets import assets_blueprint
from manager.audit_log import audit_blueprint
from manager.cached import Cached
from manager.charts.blueprint import charts_blueprint
from manager.charts.reader import WorkReader
from manager.connections import connections_blueprint
from manager.cost import cost_blueprint
from manager.deps import Deps
from manager.erasure import erasure_blueprint
from manager.errors import answer_errors
from manager.groups import groups_blueprint
from manager.health import health_blueprint
from manager.incidents import incidents_blueprint
from manager.inputs import MAX_DEPTH, is_deeper
from manager.jobs import jobs_blueprint
from manager.lanes import lanes_blueprint
from manager.live import LiveHub, live_blueprint
from manager.metrics import RequestMetrics, metrics_blueprint
from manager.org_sign_in import MakeOrgSignIn
from manager.overview import overview_blueprint
from manager.people import people_blueprint
from manager.preferences import preferences_blueprint
from manager.readiness import ReadinessChecks
from manager.refusals import Refusals
from manager.remembered import Remembered
from manager.schedules import schedules_blueprint
from manager.security import secure
from manager.servants import servants_blueprint
from manager.tokens import tokens_blueprint
from manager.ui import register_ui
from manager.visits import visits_blueprint
from retinue.clock import Clock, SystemClock

#: Everyone who looks within this time sees the same, in seconds.
READINESS_SECONDS = 5

#: More than a sign-in needs, in bytes.
MAX_FORM_BYTES = 16_384

_TOO_DEEP = "This is nested too deeply."

_LOCAL_NAMES = ["localhost", "127.0.0.1"]


def create_app(
    settings: Settings,
    *,
    database: Database,
    accounts: AccountDatabase,
    queues: Queues,
    sign_in_to_org: MakeOrgSignIn,
    clock: Clock | None = None,
) -> Flask:
    """The manager as a WSGI application, which works as the role that `database` logs in as: the operators'."""
    clock = clock or SystemClock()
    deps = Deps(
        settings,
        database,
        queues,
        clock,
        LiveHub(database, clock),
        Remembered(clock),
        Refusals(settings, database, clock),
        accounts,
        sign_in_to_org,
    )
    app = _flask(settings, clock)
    deps.live.serve(app)
    app.extensions["live"] = deps.live
    secure(app, deps)
    answer_errors(app)
    for blueprint in _blueprints(deps):
        app.register_blueprint(blueprint)
    app.register_api(api_blueprint(deps))
    _measure(app, deps)
    return app


def _blueprints(deps: Deps) -> Iterator[Blueprint]:
    """One for each resource."""
    yield assets_blueprint()
    yield live_blueprint(deps.live)
    yield preferences_blueprint()
    yield _health(deps)
    works = WorkReader(deps.database, deps.clock)
    yield charts_blueprint(works)
    yield overview_blueprint(deps, works)
    yield jobs_blueprint(deps)
    yield groups_blueprint(deps)
    yield servants_blueprint(deps)
    yield schedules_blueprint(deps)
    yield lanes_blueprint(deps)
    yield accounts_blueprint(deps)
    yield connections_blueprint(deps)
    yield incidents_blueprint(deps)
    yield anomalies_blueprint(deps)
    yield cost_blueprint(deps)
    yield audit_blueprint(deps)
    yield people_blueprint(deps)
    yield tokens_blueprint(deps)
    yield visits_blueprint(deps)
    yield account_members_blueprint(deps)
    yield erasure_blueprint(deps)
    yield account_blueprint(deps)
    yield page_blueprint()


def _health(deps: Deps) -> Blueprint:
    checks = ReadinessChecks(deps.database, deps.queues)
    return health_blueprint(Cached(checks.run, fresh_seconds=READINESS_SECONDS, clock=deps.clock).get)


def _measure(app: Flask, deps: Deps) -> None:
    requests = RequestMetrics()
    app.after_request(requests.count)
    find = partial(metrics_targets, deps.database, lost_seconds=2 * deps.settings.lease_seconds)
    targets = Cached(find, fresh_seconds=READINESS_SECONDS, clock=deps.clock)
    registry = new_registry("manager", deps.settings, deps.queues, *requests.collectors)
    app.register_blueprint(metrics_blueprint(registry, targets.get, metrics_host=deps.settings.metrics_host))


def _flask(settings: Settings, clock: Clock) -> OpenAPI:
    app = api_application(__name__)
    app.json = _JsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    if settings.manager_password.get_secret_value() == DEFAULT_PASSWORD:
        # A page elsewhere could point a name of its own at this machine and try the password that everyone knows.
        app.config["TRUSTED_HOSTS"] = _LOCAL_NAMES
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals.update(environment=settings.environment, version=VERSION)
    formats.register(app, clock)
    register_ui(app)
    app.wsgi_app = AccessLog(app.wsgi_app)  # type: ignore[method-assign] # Flask's own way to put middleware around it
    return app


class _JsonProvider(DefaultJSONProvider):
    """Times in ISO 8601, keys in the order in which they are declared, and nothing nested deeper than makes sense."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """What the text says.

        Raises:
            ValueError: it is no JSON, or too deep: whatever writes it again would run out of stack.
        """
        try:
            value = super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        if is_deeper(value, MAX_DEPTH):
            raise ValueError(_TOO_DEEP)
        return value

    @staticmethod
    def default(value: Any) -> Any:
        """What `json` cannot write by itself."""
        return formats.iso(value) if isinstance(value, datetime) else DefaultJSONProvider.default(value)
