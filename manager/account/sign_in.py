"""How people of an account come in: by an invitation's link once, then with a password."""

from __future__ import annotations

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from infra.passwords import MIN_LENGTH, WeakPassword, hash_password, verify_password
from infra.permissions import Permission
from infra.postgres import audit
from infra.postgres.members import (
    KeptMember,
    Member,
    find_invited,
    find_kept_member,
    join_member,
    note_member_sign_in,
)
from infra.postgres.principals import open_member_session
from manager.account.principals import current_principal, keep_account_secret, member_as_user, user_of
from manager.audit import actor
from manager.csrf import renew_token
from manager.deps import Deps
from manager.guesses import Guesses
from manager.leaving import close_sessions
from manager.roles import public, requires
from retinue.errors import NotFound

_WRONG = "The address or the password is wrong."
_STALE = "This invitation was used or has expired. Ask whoever invited you for another one."


def add_sign_in(blueprint: Blueprint, deps: Deps) -> None:
    """The two forms, and the way out."""
    _add_password(blueprint, deps)
    _add_invitation(blueprint, deps)

    @blueprint.post("/sign-out")
    @requires(Permission.OWN_SESSION)
    def sign_out() -> Response:
        principal = current_principal()
        with deps.database.transaction() as connection:
            close_sessions(deps, connection)
            act = audit.Act("member.sign_out", "member", principal.id, principal.account_id)
            audit.note(connection, actor(user_of(principal)), act)
        return redirect(url_for("account.sign_in_form"), 303)


def _add_password(blueprint: Blueprint, deps: Deps) -> None:
    guesses = Guesses(deps.clock)

    @blueprint.get("/sign-in")
    @public
    def sign_in_form() -> str:
        return _form()

    @blueprint.post("/sign-in")
    @public
    def sign_in() -> Response:
        email, password = request.form.get("email", "").strip(), request.form.get("password", "")
        try:
            kept = guesses.judged(email, lambda: _find(deps, email, password))
        except TooManyRequests as refusal:
            return make_response(_form(refusal.description), 429, {"Retry-After": str(refusal.retry_after)})
        if kept is None:
            _note_refusal(deps, email)
            return make_response(_form(_WRONG), 401)
        _open(deps, kept.id, kept.account_id)
        return redirect(url_for("account.connections"), 303)


def _add_invitation(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.get("/join")
    @public
    def join_form() -> Response:
        secret = request.args.get("invitation", "")
        with deps.database.transaction() as connection:
            member = find_invited(connection, secret)
        return _join_page(member, secret) if member else make_response(_form(_STALE), 410)

    @blueprint.post("/join")
    @public
    def join() -> Response:
        secret, password = request.form.get("invitation", ""), request.form.get("password", "")
        try:
            member = _join(deps, secret, password)
        except NotFound:
            return make_response(_form(_STALE), 410)
        except WeakPassword as weak:
            with deps.database.transaction() as connection:
                invited = find_invited(connection, secret)
            return _join_page(invited, secret, str(weak), 400) if invited else make_response(_form(_STALE), 410)
        _open(deps, member.id, member.account_id)
        return redirect(url_for("account.connections"), 303)


def _find(deps: Deps, email: str, password: str) -> KeptMember | None:
    with deps.database.transaction() as connection:
        kept = find_kept_member(connection, email)
    # As long for an address that nobody has.
    proven = verify_password(kept.password_hash if kept else None, password)
    return kept if proven and kept is not None and kept.disabled_at is None else None


def _join(deps: Deps, secret: str, password: str) -> Member:
    with deps.database.transaction() as connection:
        invited = find_invited(connection, secret)
    if invited is None:
        raise NotFound(_STALE)
    hashed = hash_password(password, name=invited.email)
    with deps.database.transaction() as connection:
        member = join_member(connection, secret, password_hash=hashed)
        action = "member.join" if invited.joined_at is None else "member.password"
        act = audit.Act(action, "member", member.id, member.account_id, {"role": member.role})
        audit.note(connection, actor(member_as_user(member.id, member.account_id)), act)
    return member


def _open(deps: Deps, member_id: int, account_id: int) -> None:
    with deps.database.transaction() as connection:
        close_sessions(deps, connection)
        secret = open_member_session(connection, member_id)
        note_member_sign_in(connection, member_id)
        act = audit.Act("member.sign_in", "member", member_id, account_id)
        audit.note(connection, actor(member_as_user(member_id, account_id)), act)
    keep_account_secret(secret)
    renew_token()


def _note_refusal(deps: Deps, email: str) -> None:
    """By the ID of whom the address belongs to; what was typed may be a password."""
    with deps.database.transaction() as connection:
        kept = find_kept_member(connection, email)
    if kept is not None:
        deps.refusals.note_act(member_as_user(kept.id, kept.account_id), "The password was wrong.")


def _form(problem: str | None = None) -> str:
    return render_template("account/sign_in.html", problem=problem, email=request.form.get("email", ""))


def _join_page(member: Member, secret: str, problem: str | None = None, status: int = 200) -> Response:
    page = render_template(
        "account/join.html", member=member, invitation=secret, problem=problem, min_length=MIN_LENGTH
    )
    return current_app.make_response((page, status))
