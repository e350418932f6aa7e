"""The Flask application."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from infra.metrics import new_registry
from infra.postgres.connect import Database
from infra.postgres.metrics_targets import metrics_targets
from infra.postgres.overview import OverviewReader
from infra.queues.transport import Queues
from infra.settings import Settings
from infra.settings_checks import DEFAULT_PASSWORD
from infra.version import VERSION
from manager import formats
from manager.access_log import AccessLog
from manager.auth import Gate, auth_blueprint, guard, keep_sessions
from manager.cached import Cached
from manager.errors import answer_errors
from manager.headers import harden
from manager.health import health_blueprint
from manager.metrics import RequestMetrics, metrics_blueprint
from manager.overview import overview_blueprint
from manager.present import present
from manager.readiness import ReadinessChecks
from retinue.clock import Clock, SystemClock

#: Everyone who looks within this time sees the same, in seconds.
OVERVIEW_SECONDS = 1
READINESS_SECONDS = 5

#: More than a sign-in needs, in bytes.
MAX_FORM_BYTES = 16_384

_LOCAL_NAMES = ["localhost", "127.0.0.1"]


def create_app(settings: Settings, *, database: Database, queues: Queues, clock: Clock | None = None) -> Flask:
    """The manager as a WSGI application."""
    clock = clock or SystemClock()
    reader = OverviewReader(database)
    look = Cached(lambda: present(reader.read(), settings), fresh_seconds=OVERVIEW_SECONDS, clock=clock)
    readiness = Cached(ReadinessChecks(database, queues).run, fresh_seconds=READINESS_SECONDS, clock=clock)
    gate = Gate(settings, clock)

    app = _flask(settings)
    keep_sessions(app, settings)
    guard(app, gate)
    harden(app)
    answer_errors(app)
    app.register_blueprint(health_blueprint(readiness.get))
    app.register_blueprint(auth_blueprint(gate))
    app.register_blueprint(overview_blueprint(look.get))
    _measure(app, settings, database=database, queues=queues, clock=clock)
    return app


def _measure(app: Flask, settings: Settings, *, database: Database, queues: Queues, clock: Clock) -> None:
    requests = RequestMetrics()
    app.after_request(requests.count)
    find = partial(metrics_targets, database, lost_seconds=2 * settings.lease_seconds)
    targets = Cached(find, fresh_seconds=READINESS_SECONDS, clock=clock)
    registry = new_registry("manager", settings, queues, *requests.collectors)
    app.register_blueprint(metrics_blueprint(registry, targets.get, metrics_host=settings.metrics_host))


def _flask(settings: Settings) -> Flask:
    app = Flask(__name__)
    app.json = _JsonProvider(app)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    if settings.manager_password.get_secret_value() == DEFAULT_PASSWORD:
        # A page elsewhere could point a name of its own at this machine and try the password that everyone knows.
        app.config["TRUSTED_HOSTS"] = _LOCAL_NAMES
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals.update(environment=settings.environment, version=VERSION)
    formats.register(app)
    app.wsgi_app = AccessLog(app.wsgi_app)  # type: ignore[method-assign] # Flask's own way to put middleware around it
    return app


class _JsonProvider(DefaultJSONProvider):
    """Times in ISO 8601, keys in the order in which they are declared."""

    sort_keys = False

    @staticmethod
    def default(value: Any) -> Any:
        """What `json` cannot write by itself."""
        return formats.iso(value) if isinstance(value, datetime) else DefaultJSONProvider.default(value)
