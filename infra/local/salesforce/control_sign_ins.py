"""Control of who may sign in: users, connected apps, sessions and what was granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.control_edits import user_of
from infra.local.salesforce.grants import Consent
from infra.local.salesforce.identity import App
from infra.local.salesforce.parts import Parts

Body = Mapping[str, Any]


def blueprint(parts: Parts) -> Blueprint:
    """users, apps, sessions."""
    pages = Blueprint("control_sign_ins", __name__, url_prefix="/sandbox")
    org, identity, grants = parts.org, parts.identity, parts.grants

    @pages.post("/users")
    def add_user() -> Response:
        return jsonify({"id": _add_user(parts, request.get_json())})

    @pages.post("/users/<username>")
    def change_user(username: str) -> Response:
        return jsonify(_change_user(parts, username, request.get_json()))

    @pages.post("/apps")
    def set_app() -> Response:
        body = request.get_json()
        run_as = body["run_as"] and user_of(org, body["run_as"]).id
        identity.set_app(App(**{**body, "run_as": run_as}))
        return jsonify({})

    @pages.post("/apps/<client_id>")
    def change_app(client_id: str) -> Response:
        return jsonify(_change_app(parts, client_id, request.get_json()))

    @pages.get("/sessions")
    def sessions() -> Response:
        return jsonify({"revoked_families": grants.revoked_families()})

    @pages.post("/sessions")
    def change_sessions() -> Response:
        body = request.get_json()
        if "seconds" in body:
            identity.session_seconds = body["seconds"]
        return jsonify({"ended": identity.end_sessions() if body.get("end") else 0})

    return pages


def _add_user(parts: Parts, body: Body) -> str:
    org = parts.org
    row = {
        "Username": body["username"],
        "LastName": body["last_name"],
        "Email": body["username"],
        "Alias": body["username"][:8],
        "ProfileId": _profile(parts, body["profile"]),
    }
    with org.edit(org.admin) as edit:
        (result,) = edit.insert("User", [row])
    if result.id is None:
        raise LookupError(f"The user {body['username']} was refused: {[error.message for error in result.errors]}")
    parts.identity.set_password(result.id, body["username"], body["password"], security_token=body["security_token"])
    return result.id


def _profile(parts: Parts, name: str) -> str:
    table = parts.org.full_schema().object("Profile").table
    with parts.org.store.read() as db:
        row = db.execute(f'SELECT "Id" FROM "{table}" WHERE "Name" = ?', (name,)).fetchone()
    if row is None:
        raise LookupError(f"The org has no profile {name}")
    return str(row[0])


def _change_user(parts: Parts, username: str, body: Body) -> dict[str, Any]:
    user = user_of(parts.org, username)
    if "active" in body:
        with parts.org.edit(parts.org.admin) as edit:
            edit.update("User", [{"Id": user.id, "IsActive": body["active"]}])
    if body.get("revoke"):
        return {"revoked": parts.grants.revoke_user(user.id)}
    if body.get("sign_in"):
        return {"token": parts.identity.open_session(user.id).token}
    return {}


def _change_app(parts: Parts, client_id: str, body: Body) -> dict[str, Any]:
    if "state" in body:
        parts.identity.set_app_state(client_id, body["state"])
    if "approve" in body:
        parts.identity.approve(client_id, user_of(parts.org, body["approve"]).id)
    if "authorize" in body:
        return _authorized(parts, client_id, body)
    return {}


def _authorized(parts: Parts, client_id: str, body: Body) -> dict[str, Any]:
    """The tokens that the web flow ends with when the user allows the app."""
    user = user_of(parts.org, body["authorize"])
    code = parts.grants.issue_code(Consent(client_id, user.id, "sandbox:", body["scopes"]))
    grant = parts.grants.exchange_code(parts.identity.app(client_id), code, redirect_uri="sandbox:", verifier=None)
    return {"access_token": grant.session.token, "refresh_token": grant.refresh_token}
