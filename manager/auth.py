"""Signing in: the settings' one user. People get a session cookie; programs send HTTP Basic to what they read."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets

from flask import Blueprint, Flask, make_response, redirect, render_template, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response as BaseResponse

from infra.logs import get_logger
from infra.secrets import Keyring
from infra.settings import Settings
from manager.throttle import Throttle
from retinue.clock import Clock

#: A session ends this long after signing in, however busy it is, in seconds.
SESSION_SECONDS = 12 * 3600

#: What may be seen without signing in.
PUBLIC_ENDPOINTS = frozenset({"static", "health.process", "health.readiness", "auth.sign_in", "auth.sign_in_form"})

#: What programs read, who sign in with HTTP Basic.
_FOR_PROGRAMS = ("/api/", "/metrics")

_OWN_PATH = re.compile(r"/(?!/)[a-z0-9/._-]*")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

log = get_logger(__name__)


class Gate:
    """Knows the one user."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.user = settings.manager_user
        self._expected = _digest(settings.manager_user, settings.manager_password.get_secret_value())
        self._throttle = Throttle(clock)

    def admits(self, user: str, password: str) -> bool:
        """Whether these are the user's name and password; both are always compared, in constant time.

        Raises:
            TooManyRequests: this address guessed wrong too often and has to wait.
        """
        address = request.remote_addr or "unknown"
        wait = self._throttle.wait_seconds(address)
        if wait > 0:
            raise TooManyRequests(
                f"Too many wrong attempts. Try again in {math.ceil(wait)} s.", retry_after=math.ceil(wait)
            )
        if hmac.compare_digest(_digest(user, password), self._expected):
            self._throttle.forgive(address)
            return True
        self._throttle.count_failure(address)
        log.warning("sign_in_refused", client=address)
        return False


def _digest(user: str, password: str) -> bytes:
    """Of one length whatever the inputs, so that a comparison tells nothing of theirs; a user has no colon."""
    return hashlib.sha256(f"{user}:{password}".encode()).digest()


class _SessionInterface(SecureCookieSessionInterface):
    """Signs with SHA-256, and keeps the cookie off plain HTTP wherever it was set over HTTPS."""

    digest_method = staticmethod(hashlib.sha256)

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def keep_sessions(app: Flask, settings: Settings) -> None:
    """Let `app` keep its sessions in a signed cookie."""
    app.secret_key = _signing_key(settings)
    app.session_interface = _SessionInterface()
    app.config.update(
        SESSION_COOKIE_NAME=f"{settings.queue_prefix}-{settings.environment}-session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=SESSION_SECONDS,
    )


def _signing_key(settings: Settings) -> bytes:
    """The same in every manager that has the same key, user and password: changing one of them ends all sessions.

    Where no key is set, a key of this process alone.
    """
    if settings.secret_key is None and settings.secret_key_file is None:
        return secrets.token_bytes(32)
    password = settings.manager_password.get_secret_value()
    message = f"retinue manager session:{settings.manager_user}:{password}"
    return hmac.digest(Keyring.from_settings(settings).current.material, message.encode(), "sha256")


def guard(app: Flask, gate: Gate) -> None:
    """Close everything but `PUBLIC_ENDPOINTS` to those who have not signed in."""

    @app.before_request
    def require_sign_in() -> BaseResponse | None:
        if request.method not in _SAFE_METHODS:
            _refuse_other_sites()
        # An unknown path has no endpoint, and nothing to protect.
        if request.endpoint is None or request.endpoint in PUBLIC_ENDPOINTS or session.get("user") == gate.user:
            return None
        if request.path.startswith(_FOR_PROGRAMS):
            _require_basic(gate)
            return None
        return redirect(url_for("auth.sign_in_form", next=request.path))


def _refuse_other_sites() -> None:
    """Browsers say where a form was sent from; other clients say nothing and carry no session."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise Forbidden("This was sent from another site.")


def _require_basic(gate: Gate) -> None:
    given = request.authorization
    if given is not None and given.type == "basic" and gate.admits(given.username or "", given.password or ""):
        return
    challenge = WWWAuthenticate("basic", {"realm": "Retinue", "charset": "UTF-8"})
    raise Unauthorized("Sign in: this needs the manager's user and password.", www_authenticate=challenge)


def auth_blueprint(gate: Gate) -> Blueprint:
    """Signing in and out."""
    blueprint = Blueprint("auth", __name__)

    @blueprint.get("/sign-in")
    def sign_in_form() -> BaseResponse | str:
        if session.get("user") == gate.user:
            return redirect(url_for("overview.page"))
        return _form()

    @blueprint.post("/sign-in")
    def sign_in() -> BaseResponse:
        return _sign_in(gate)

    @blueprint.post("/sign-out")
    def sign_out() -> BaseResponse:
        session.clear()
        return redirect(url_for("auth.sign_in_form"), 303)

    return blueprint


def _sign_in(gate: Gate) -> BaseResponse:
    try:
        admitted = gate.admits(request.form.get("user", ""), request.form.get("password", ""))
    except TooManyRequests as refusal:
        return make_response(_form(refusal.description), 429, {"Retry-After": str(refusal.retry_after)})
    if not admitted:
        return make_response(_form("The name or the password is wrong."), 401)
    session.clear()
    session["user"], session.permanent = gate.user, True
    log.info("signed_in", user=gate.user, client=request.remote_addr)
    return redirect(_next_path(), 303)


def _form(problem: str | None = None) -> str:
    return render_template("sign_in.html", problem=problem, user=request.form.get("user", ""), next=_next_path())


def _next_path() -> str:
    """Where to go after signing in: a path of this site, whatever was asked for."""
    wanted = request.values.get("next", "/")
    return wanted if _OWN_PATH.fullmatch(wanted) else "/"
