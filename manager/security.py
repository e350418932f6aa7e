"""What stands between a request and its view."""

from __future__ import annotations

from flask import Flask

from manager.account.principals import Principals
from manager.credentials import Credentials
from manager.deps import Deps
from manager.guard import guard
from manager.headers import harden
from manager.identity import Identity
from manager.inputs import limit_inputs
from manager.sessions import keep_sessions
from manager.sign_in import auth_blueprint
from manager.you import you_blueprint


def secure(app: Flask, deps: Deps) -> None:
    """Give `app` sessions, headers and its guard, and let people sign in."""
    credentials = Credentials(deps)
    identity = Identity(deps, credentials)
    limit_inputs(app)
    keep_sessions(app, deps.settings)
    guard(app, identity, Principals(deps, identity), deps.refusals)
    harden(app)
    app.register_blueprint(auth_blueprint(deps, credentials, identity))
    app.register_blueprint(you_blueprint(deps, credentials))
    if deps.settings.oidc_issuer is not None:
        from manager.oidc import oidc_blueprint  # only those who use it pay for its libraries

        app.register_blueprint(oidc_blueprint(deps))
