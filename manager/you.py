"""What everybody sees to alone: their password, and where they are signed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response

from infra.passwords import MIN_LENGTH, hash_password
from infra.postgres import people
from infra.postgres.sessions import close_sessions, list_sessions
from infra.roles import Role
from manager.audit import note
from manager.credentials import Credentials
from manager.deps import Deps
from manager.roles import current_user, requires
from manager.sessions import session_digest
from retinue.errors import NotAllowed


def you_blueprint(deps: Deps, credentials: Credentials) -> Blueprint:
    """The page, and its actions."""
    blueprint = Blueprint("you", __name__, url_prefix="/you")
    _add_password(blueprint, deps, credentials)
    _add_sessions(blueprint, deps)

    @blueprint.get("")
    @requires(Role.VIEWER)
    def page() -> str:
        with deps.database.transaction() as connection:
            person = people.find_person(connection, _own_id())
            sessions = list_sessions(connection, person.id, present=session_digest())
        return render_template("you/page.html", person=person, sessions=sessions, min_length=MIN_LENGTH)

    return blueprint


def _add_password(blueprint: Blueprint, deps: Deps, credentials: Credentials) -> None:
    @blueprint.post("/password")
    @requires(Role.VIEWER)
    def password() -> Response:
        user = current_user()
        # Whoever finds a browser left open does not get the account with it.
        proven = credentials.prove(user.name, request.form.get("current", ""))
        if proven is None:
            flash("The present password is wrong.", "bad")
            return redirect(url_for("you.page"), 303)
        hashed = hash_password(request.form.get("password", ""), name=user.name)
        with _ending(deps) as connection:
            if not proven.still_holds(connection, _own_id()):
                raise NotAllowed("Your password was changed meanwhile.")
            people.set_password(connection, _own_id(), hashed, kept_digest=session_digest())
            note(connection, "person.password", "person", user.id, name=user.name)
        flash("The password is changed, and you are signed out everywhere else.", "good")
        return redirect(url_for("you.page"), 303)


def _add_sessions(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/sessions/<int:session_id>/end")
    @requires(Role.VIEWER)
    def end_session(session_id: int) -> Response:
        with _ending(deps) as connection:
            ended = close_sessions(connection, _own_id(), session_id=session_id)
            if ended:
                note(connection, "session.end", "session", session_id)
        flash("That session is ended." if ended else "You have no such session.", "good" if ended else "bad")
        return redirect(url_for("you.page"), 303)

    @blueprint.post("/sessions/end-others")
    @requires(Role.VIEWER)
    def end_others() -> Response:
        with _ending(deps) as connection:
            ended = close_sessions(connection, _own_id(), kept_digest=session_digest())
            if ended:
                note(connection, "person.sign_out", "person", current_user().id, sessions=ended)
        flash("You are signed out everywhere else.", "good")
        return redirect(url_for("you.page"), 303)


@contextmanager
def _ending(deps: Deps) -> Iterator[psycopg.Connection]:
    """A transaction that ends sessions of one's own; none is remembered after it."""
    try:
        with deps.database.transaction() as connection:
            yield connection
    finally:
        deps.remembered.forget_person(_own_id())


def _own_id() -> int:
    """Tokens have no page of their own."""
    user = current_user()
    if user.id is None or not user.is_person:
        raise Forbidden("This is for people who have signed in.")
    return user.id
