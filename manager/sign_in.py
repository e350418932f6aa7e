"""Signing in and out."""

from __future__ import annotations

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response as BaseResponse

from infra.logs import get_logger
from infra.postgres import audit, people
from infra.postgres.sessions import open_session
from manager.audit import actor
from manager.away import AWAY
from manager.back import own_path
from manager.credentials import Credentials, Proven
from manager.deps import Deps
from manager.identity import Identity
from manager.leaving import close_sessions
from manager.roles import Role, User, public, requires
from manager.sessions import SESSION_SECONDS, begin_session

log = get_logger(__name__)


def auth_blueprint(deps: Deps, credentials: Credentials, identity: Identity) -> Blueprint:
    """The form, and what it leads to."""
    blueprint = Blueprint("auth", __name__)

    @blueprint.get("/sign-in")
    @public
    def sign_in_form() -> BaseResponse | str:
        return redirect(url_for("overview.page")) if _is_known(identity) else _form()

    @blueprint.post("/sign-in")
    @public
    def sign_in() -> BaseResponse:
        return _sign_in(deps, credentials)

    @blueprint.post("/sign-out")
    @requires(Role.VIEWER)
    def sign_out() -> BaseResponse:
        with deps.database.transaction() as connection:
            close_sessions(deps, connection)
        return redirect(url_for("auth.sign_in_form"), 303)

    return blueprint


def _is_known(identity: Identity) -> bool:
    """Whether the browser's session is somebody's; the form is shown while the database is away, too."""
    try:
        return identity.of_session() is not None
    except AWAY:
        return False


def _sign_in(deps: Deps, credentials: Credentials) -> BaseResponse:
    try:
        proven = credentials.prove(request.form.get("user", ""), request.form.get("password", ""))
    except TooManyRequests as refusal:
        return make_response(_form(refusal.description), 429, {"Retry-After": str(refusal.retry_after)})
    if proven is None or not sign_in_as(deps, proven, by="password"):
        return make_response(_form("The name or the password is wrong."), 401)
    return redirect(_next_path(), 303)


def sign_in_as(deps: Deps, proven: Proven, *, by: str) -> bool:
    """Open a session for a person, and end what the browser has.

    False, and no session, where the person was disabled or got another password since they have shown who they are.
    The user has no ID where it is the settings' one that signs in for the first time.
    """
    user = proven.user
    with deps.database.transaction() as connection:
        person_id = user.id if user.id is not None else people.ensure_person(connection, user.name, user.role).id
        if not proven.still_holds(connection, person_id):
            return False
        close_sessions(deps, connection)
        agent = request.user_agent.string
        secret = open_session(connection, person_id, seconds=SESSION_SECONDS, address=request.remote_addr, agent=agent)
        people.note_sign_in(connection, person_id)
        who = User(person_id, user.name, user.role)
        audit.note(connection, actor(who), audit.Act("person.sign_in", "person", person_id, detail={"by": by}))
    begin_session(secret)
    log.info("signed_in", user=user.name, client=request.remote_addr)
    return True


def refused(sentence: str, status: int) -> BaseResponse:
    """The form, with what is wrong."""
    return make_response(_form(sentence), status)


def _form(problem: str | None = None) -> str:
    next_path = _next_path()
    elsewhere = url_for("oidc.start", next=next_path) if "oidc" in current_app.blueprints else None
    user = request.form.get("user", "")
    return render_template("sign_in.html", problem=problem, user=user, next=next_path, elsewhere=elsewhere)


def _next_path() -> str:
    """Where to go after signing in: a path of this site, whatever was asked for."""
    return own_path(request.values.get("next")) or "/"
