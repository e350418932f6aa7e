"""The org's OAuth 2.0 endpoints below /services/oauth2, and the identity URL.

Facts: "OAuth Authorization Flows", "OAuth 2.0 Authorization Errors", "Identity URLs" (help.salesforce.com), RFC 6749,
7009 (revoke), 7662 (introspect). They need no session, and no call of them counts against the API limit.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.grants import Grant, Grants
from infra.local.salesforce.identity import App, Identity, InvalidSession, OAuthError, Session
from infra.local.salesforce.jwt_assertions import user_of_assertion

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

Form = Mapping[str, str]


def blueprint(identity: Identity, grants: Grants) -> Blueprint:
    """token, revoke, introspect, userinfo, and `/id/<organization>/<user>`."""
    pages = Blueprint("oauth", __name__)
    tokens = TokenEndpoint(identity, grants)

    @pages.errorhandler(OAuthError)
    def refuse(error: OAuthError) -> tuple[Response, int]:
        return jsonify(error.json()), error.status

    @pages.post("/services/oauth2/token")
    def token() -> Response:
        answer = jsonify(tokens.answer(request.form))
        answer.headers["Cache-Control"] = "no-cache, no-store"
        return answer

    @pages.route("/services/oauth2/revoke", methods=["GET", "POST"])
    def revoke() -> Response:
        if not grants.revoke(request.values.get("token", "")):
            raise OAuthError("invalid_token", "the token is not known or is not valid any more")
        return Response(status=200)

    @pages.post("/services/oauth2/introspect")
    def introspect() -> Response:
        return jsonify(introspection(identity, grants, tokens.client(request.form), request.form.get("token", "")))

    @pages.route("/services/oauth2/userinfo", methods=["GET", "POST"])
    def userinfo() -> Response:
        return _about(identity, bearer(identity))

    @pages.get("/id/<organization>/<user_id>")
    def identity_url(organization: str, user_id: str) -> Response:
        session = bearer(identity)
        if session.user_id != user_id or organization != identity.org.organization_id:
            raise OAuthError("Wrong_Org", "the identity is another's", status=403)
        return _about(identity, session)

    return pages


class TokenEndpoint:
    """What a token request gives, by its grant type."""

    def __init__(self, identity: Identity, grants: Grants) -> None:
        self._identity = identity
        self._grants = grants
        self._flows: dict[str, Callable[[Form], tuple[App, Grant]]] = {
            "authorization_code": self._code,
            "refresh_token": self._refresh,
            "password": self._password,
            "client_credentials": self._client_credentials,
            JWT_BEARER: self._assertion,
        }

    def answer(self, form: Form) -> dict[str, Any]:
        """The JSON of a granted request.

        Raises:
            OAuthError: it is refused.
        """
        flow = self._flows.get(form.get("grant_type", ""))
        if flow is None:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        return self._granted(*flow(form))

    def client(self, form: Form) -> App:
        """The app that asks, which a secret proves if it has one: in the form, or as RFC 6749 §2.3.1 prefers.

        Raises:
            OAuthError: it is unknown, removed or blocked, or the secret is wrong.
        """
        basic = request.authorization
        client_id = form.get("client_id") or (basic and basic.username) or ""
        secret = form.get("client_secret") or (basic and basic.password) or ""
        app = self._identity.app(client_id)
        if app.client_secret is not None and not hmac.compare_digest(secret.encode(), app.client_secret.encode()):
            raise OAuthError("invalid_client", "invalid client credentials")
        return app

    def _code(self, form: Form) -> tuple[App, Grant]:
        app = self.client(form)
        grant = self._grants.exchange_code(
            app,
            form.get("code", ""),
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier"),
        )
        return app, grant

    def _refresh(self, form: Form) -> tuple[App, Grant]:
        app = self.client(form)
        return app, self._grants.refresh(app, form.get("refresh_token", ""))

    def _password(self, form: Form) -> tuple[App, Grant]:
        app = self.client(form)
        user_id = self._identity.user_by_password(form.get("username", ""), form.get("password", ""))
        if user_id is None:
            raise OAuthError("invalid_grant", "authentication failure")
        return app, self._session(app, user_id)

    def _client_credentials(self, form: Form) -> tuple[App, Grant]:
        app = self.client(form)
        if app.client_secret is None or app.run_as is None:
            raise OAuthError("invalid_grant", "no client credentials user enabled")
        self._identity.require_active(app.run_as)
        return app, self._session(app, app.run_as)

    def _assertion(self, form: Form) -> tuple[App, Grant]:
        own_url = request.host_url.rstrip("/")
        app, user_id = user_of_assertion(self._identity, form.get("assertion", ""), own_url=own_url)
        return app, self._session(app, user_id)

    def _session(self, app: App, user_id: str) -> Grant:
        return Grant(self._identity.open_session(user_id, app.client_id), None)

    def _granted(self, app: App, grant: Grant) -> dict[str, Any]:
        session = grant.session
        issued = str(int(session.issued_at * 1000))
        identity_url = f"{request.host_url}id/{self._identity.org.organization_id}/{session.user_id}"
        answer = {
            "access_token": session.token,
            "signature": _signature(app, identity_url + issued),
            "scope": " ".join(sorted(session.scopes)),
            "instance_url": request.host_url.rstrip("/"),
            "id": identity_url,
            "token_type": "Bearer",
            "issued_at": issued,
        }
        return answer if grant.refresh_token is None else {**answer, "refresh_token": grant.refresh_token}


def introspection(identity: Identity, grants: Grants, app: App, token: str) -> dict[str, Any]:
    """RFC 7662 §2.2; an app learns of its own tokens only."""
    try:
        session = identity.session(token)
    except InvalidSession:
        return _refresh_introspection(identity, grants, app, token)
    if session.client_id != app.client_id:
        return {"active": False}
    return {
        "active": True,
        "scope": " ".join(sorted(session.scopes)),
        "client_id": app.client_id,
        "username": identity.username(session.user_id),
        "sub": f"{request.host_url}id/{identity.org.organization_id}/{session.user_id}",
        "token_type": "access_token",
        "exp": int(session.expires_at),
        "iat": int(session.issued_at),
        "nbf": int(session.issued_at),
    }


def _refresh_introspection(identity: Identity, grants: Grants, app: App, token: str) -> dict[str, Any]:
    owner = grants.live_refresh_token(token, app)
    if owner is None:
        return {"active": False}
    return {
        "active": True,
        "scope": owner.scopes,
        "client_id": app.client_id,
        "username": identity.username(owner.user_id),
        "token_type": "refresh_token",
    }


def bearer(identity: Identity) -> Session:
    """The session of the request's Authorization header.

    Raises:
        OAuthError: there is none, or it is over; the identity URL says so with 403.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        return identity.session(token if scheme.lower() in ("bearer", "oauth") else "")
    except InvalidSession:
        raise OAuthError("Bad_OAuth_Token", "the session is over or was never opened", status=403) from None


def _about(identity: Identity, session: Session) -> Response:
    """The claims of OpenID Connect, with the names of Salesforce's identity URL beside them."""
    organization, base = identity.org.organization_id, request.host_url
    username = identity.username(session.user_id)
    answer = {
        "sub": f"{base}id/{organization}/{session.user_id}",
        "user_id": session.user_id,
        "organization_id": organization,
        "preferred_username": username,
        "username": username,
        "active": True,
        "urls": {
            "rest": f"{base}services/data/v{{version}}/",
            "query": f"{base}services/data/v{{version}}/query/",
            "sobjects": f"{base}services/data/v{{version}}/sobjects/",
        },
    }
    return jsonify(answer)


def _signature(app: App, text: str) -> str:
    """Proves to the app that the identity URL was not tampered with."""
    secret = app.client_secret or app.client_id
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()
