"""The page of the web flow: the user signs in and allows the app ("OAuth 2.0 Web Server Flow", help.salesforce.com)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, render_template_string, request

from infra.local.salesforce.grants import Consent, Grants
from infra.local.salesforce.identity import App, Identity, OAuthError

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox org: sign in</title>
<style>body{font:16px system-ui;max-width:24rem;margin:4rem auto;padding:0 1rem}.wrong{color:#a40000}
label,input,button{display:block;width:100%}input,button{margin:.3rem 0 1rem;padding:.5rem;font:inherit}
*{box-sizing:border-box}</style></head><body>
<h1>Sandbox org</h1><p><strong>{{ app }}</strong> asks for access: {{ scopes }}</p>
{% if wrong %}<p class="wrong" role="alert">{{ wrong }}</p>{% endif %}
<form method="post"><label>Username<input name="username" autocomplete="username"></label>
<label>Password<input name="password" type="password" autocomplete="current-password"></label>
<button name="allow" value="yes">Allow</button><button name="allow" value="no">Deny</button></form></body></html>"""

_SCOPES = frozenset({"api", "full", "id", "profile", "email", "openid", "web", "refresh_token", "offline_access"})


@dataclass(frozen=True, slots=True)
class _Asked:
    app: App
    redirect_uri: str
    scopes: str
    state: str | None
    challenge: str | None

    def back(self, **values: str) -> Response:
        """Send the browser back to the app."""
        known = {**values, **({} if self.state is None else {"state": self.state})}
        glue = "&" if "?" in self.redirect_uri else "?"
        return _redirect(f"{self.redirect_uri}{glue}{urlencode(known)}")


def blueprint(identity: Identity, grants: Grants) -> Blueprint:
    """`/services/oauth2/authorize`."""
    pages = Blueprint("authorize", __name__)

    @pages.errorhandler(OAuthError)
    def refuse(error: OAuthError) -> tuple[str, int]:
        """Without an app to send the browser back to, the page itself says what is wrong."""
        return f"error={error.error}&error_description={error.description}", error.status

    @pages.get("/services/oauth2/authorize")
    def ask() -> Response | str:
        asked = _asked(identity)
        return _refusal(asked) or _page(asked)

    @pages.post("/services/oauth2/authorize")
    def answer() -> Response | str:
        asked = _asked(identity)
        return _refusal(asked) or _decide(identity, grants, asked)

    return pages


def _asked(identity: Identity) -> _Asked:
    """Whom to send back to must be sure before anything else.

    Raises:
        OAuthError: the app is not known here, or does not have this callback.
    """
    app = identity.app(request.args.get("client_id", ""))
    redirect_uri = request.args.get("redirect_uri", "")
    if not redirect_uri:
        raise OAuthError("redirect_uri_missing", "redirect_uri not provided")
    if redirect_uri not in app.callback_url.split():
        raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
    return _Asked(
        app,
        redirect_uri,
        request.args.get("scope") or "api id refresh_token",
        request.args.get("state"),
        request.args.get("code_challenge"),
    )


def _refusal(asked: _Asked) -> Response | None:
    if request.args.get("response_type") != "code":
        return asked.back(error="unsupported_response_type", error_description="response type not supported")
    if not set(asked.scopes.split()) <= _SCOPES:
        return asked.back(error="invalid_scope", error_description="the requested scope is not allowed")
    if asked.challenge is None and asked.app.client_secret is None:
        return asked.back(error="invalid_request", error_description="missing required code challenge")
    if request.args.get("code_challenge_method", "S256") != "S256":
        return asked.back(error="invalid_request", error_description="invalid code challenge method")
    return None


def _decide(identity: Identity, grants: Grants, asked: _Asked) -> Response | str:
    try:
        user_id = identity.user_by_password(request.form.get("username", ""), request.form.get("password", ""))
    except OAuthError as error:
        return _page(asked, wrong=error.description)
    if user_id is None:
        return _page(asked, wrong="Please check your username and password.")
    if request.form.get("allow") != "yes":
        return asked.back(error="access_denied", error_description="end-user denied authorization")
    consent = Consent(asked.app.client_id, user_id, asked.redirect_uri, asked.scopes, asked.challenge)
    return asked.back(code=grants.issue_code(consent))


def _page(asked: _Asked, *, wrong: str = "") -> str:
    return render_template_string(_PAGE, app=asked.app.name, scopes=asked.scopes, wrong=wrong)


def _redirect(url: str) -> Response:
    answer = redirect(url)
    return Response(status=answer.status_code, headers={"Location": answer.headers["Location"]})
