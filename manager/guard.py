"""Lets each request through to its view only as the view declares: see `manager.roles`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, redirect, request, url_for
from flask_wtf import CSRFProtect
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response as BaseResponse

from manager.account.principals import Principals, admit_principal, user_of
from manager.csrf import check_form, csrf_checks
from manager.identity import SAFE_METHODS, Identity
from manager.inputs import refuse_nul
from manager.refusals import Refusals
from manager.roles import User, admit, is_for_members, is_public, present_user, present_view, public

#: What programs read, who sign in with each request.
_FOR_PROGRAMS = ("/api/", "/metrics")


def guard(app: Flask, identity: Identity, principals: Principals, refusals: Refusals) -> None:
    """Check every request before its view runs."""
    checks = csrf_checks(app)
    app.add_template_global(present_user)
    public(app.view_functions["static"])

    @app.before_request
    def check() -> BaseResponse | None:
        view = present_view(app)
        # An unknown path has no view, and nothing to protect.
        if view is None:
            return None
        refuse_nul()
        if request.method not in SAFE_METHODS:
            _refuse_other_sites()
        if is_public(view):
            check_form(checks)
            return None
        if is_for_members(view):
            return _check_member(principals, view, checks, refusals)
        user = _user(identity, checks)
        if user is None:
            return _stranger()
        _admit(user, view, refusals)
        return None


def _check_member(
    principals: Principals, view: Callable[..., Any], checks: CSRFProtect, refusals: Refusals
) -> BaseResponse | None:
    principal = principals.of_session()
    if principal is None:
        return redirect(url_for("account.sign_in_form"), 303)
    check_form(checks)
    try:
        admit_principal(principal, view)
    except Forbidden as refusal:
        if request.method not in SAFE_METHODS:
            refusals.note_act(user_of(principal), refusal.description or "")
        raise
    return None


def _refuse_other_sites() -> None:
    """Browsers say where a form was sent from; other clients say nothing and carry no session."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise Forbidden("This was sent from another site.")


def _user(identity: Identity, checks: CSRFProtect) -> User | None:
    if _is_for_program() and request.authorization is not None:
        # It alone decides: a browser may send its cookie as well.
        return identity.of_program()
    user = identity.of_session()
    if user is not None:
        check_form(checks)
    return user


def _is_for_program() -> bool:
    return request.path.startswith(_FOR_PROGRAMS)


def _admit(user: User, view: Callable[..., Any], refusals: Refusals) -> None:
    try:
        admit(user, view)
    except Forbidden as refusal:
        if request.method not in SAFE_METHODS:
            refusals.note_act(user, refusal.description or "")
        raise


def _stranger() -> BaseResponse:
    return _challenge() if _is_for_program() else _to_sign_in()


def _challenge() -> BaseResponse:
    challenge = WWWAuthenticate("basic", {"realm": "Retinue", "charset": "UTF-8"})
    raise Unauthorized("Sign in: this needs a token, or a name and password.", www_authenticate=challenge)


def _to_sign_in() -> BaseResponse:
    form = url_for("auth.sign_in_form")
    if "HX-Request" in request.headers:
        # What is fetched for a part of a page would put the form there.
        return Response(status=401, headers={"HX-Redirect": form})
    if request.accept_mimetypes.best == "text/event-stream":
        # The page that listens asks again as a page, and is led there then.
        return Response(status=204)
    if request.method not in SAFE_METHODS:
        return redirect(form, 303)
    path = request.full_path if request.query_string else request.path
    return redirect(f"{form}?{urlencode({'next': path}, safe='/')}")
