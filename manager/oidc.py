"""Signing in at an OpenID Connect provider (OpenID Connect Core 1.0): code flow with PKCE, and a nonce.

Authlib is imported only where a provider is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import requests
from flask import Blueprint, current_app, redirect, request, session, url_for
from werkzeug.wrappers import Response

from infra.logs import get_logger
from infra.postgres import audit, people
from infra.roles import Role
from infra.settings import Settings
from manager.audit import actor
from manager.back import own_path
from manager.credentials import Proven
from manager.deps import Deps
from manager.oidc_claims import Identified, identified
from manager.roles import User, public
from manager.sign_in import refused, sign_in_as

if TYPE_CHECKING:
    from authlib.integrations.flask_client import OAuth
    from authlib.integrations.flask_client.apps import FlaskOAuth2App

#: The provider is waited for no longer, in seconds: meanwhile one of our few threads waits.
PATIENCE_SECONDS = 10

#: Difference of clocks that is borne, in seconds.
LEEWAY_SECONDS = 60

#: Signatures that only the provider can make. Others, and none, are refused whatever it says of itself.
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})

_NAME = "oidc"
_NEXT = "oidc_next"

_REFUSED = "The identity provider did not let you in. Try again, or ask whoever runs it."
_AWAY = "The identity provider cannot be reached. Try again in a while, or sign in with a password."
_NO_ROLE = "The identity provider gives you no role here. Ask whoever runs it for one."
_DISABLED = "You may not sign in any more. Ask an admin here."

log = get_logger(__name__)


def oidc_blueprint(deps: Deps) -> Blueprint:
    """To the provider, and back from it."""
    blueprint = Blueprint("oidc", __name__)

    @blueprint.get("/sign-in/oidc")
    @public
    def start() -> Response:
        return _start(_client(deps.settings))

    @blueprint.get("/sign-in/oidc/back")
    @public
    def back() -> Response:
        return _back(deps, _client(deps.settings))

    return blueprint


def _client(settings: Settings) -> FlaskOAuth2App:
    """This application's client of the provider; it keeps what the provider says of itself."""
    registry: OAuth | None = current_app.extensions.get("authlib.integrations.flask_client")
    if registry is None:
        registry = _registry(settings)
    return registry.create_client(_NAME)


def _registry(settings: Settings) -> OAuth:
    from authlib.integrations.flask_client import OAuth

    registry = OAuth(current_app._get_current_object())  # type: ignore[attr-defined] # the application itself, not the stand-in
    secret = settings.oidc_client_secret
    registry.register(
        _NAME,
        client_id=settings.oidc_client_id,
        client_secret=None if secret is None else secret.get_secret_value(),
        server_metadata_url=f"{(settings.oidc_issuer or '').rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "default_timeout": PATIENCE_SECONDS,
            "token_endpoint_auth_method": "none" if secret is None else "client_secret_basic",
        },
    )
    return registry


def _start(client: FlaskOAuth2App) -> Response:
    _forget_earlier()
    next_path = own_path(request.args.get("next"))
    try:
        response: Response = client.authorize_redirect(url_for("oidc.back", _external=True))
    except (requests.RequestException, ValueError, RuntimeError) as error:
        return _turned_away(_AWAY, 502, error)
    if next_path is not None:
        session[_NEXT] = next_path
    return response


def _forget_earlier() -> None:
    """A sign-in that was begun and never ended would otherwise stay in the cookie."""
    for key in [key for key in session if key.startswith(f"_state_{_NAME}_")]:
        session.pop(key)
    session.pop(_NEXT, None)


def _back(deps: Deps, client: FlaskOAuth2App) -> Response:
    from authlib.integrations.base_client import OAuthError
    from joserfc.errors import JoseError

    next_path = own_path(session.get(_NEXT))
    try:
        who = identified(_claims(deps.settings, client), deps.settings)
    except requests.RequestException as error:
        return _turned_away(_AWAY, 502, error)
    except (OAuthError, JoseError, ValueError, KeyError, RuntimeError) as error:
        deps.refusals.note_sign_in("", by=_NAME)
        return _turned_away(_REFUSED, 401, error)
    finally:
        _forget_earlier()
    if who.role is None:
        deps.refusals.note_sign_in("", by=_NAME)
        return _turned_away(_NO_ROLE, 403, None)
    user = _admit(deps, who)
    if not sign_in_as(deps, Proven(user), by=_NAME):
        deps.refusals.note_sign_in(user.name, by=_NAME)
        return _turned_away(_DISABLED, 403, None)
    return redirect(next_path or "/", 303)


def _claims(settings: Settings, client: FlaskOAuth2App) -> dict[str, Any]:
    """What the provider says of whoever has just signed in there, in a token that is for us and of this sign-in.

    Raises:
        OAuthError, JoseError, ValueError: it is not.
        requests.RequestException: the provider does not answer.
    """
    metadata = client.load_server_metadata()
    issuer = str(metadata.get("issuer"))
    # The setting has lost the slash that some end with.
    if issuer.rstrip("/") != settings.oidc_issuer:
        raise ValueError("the provider calls itself by another name than the setting does")
    offered = set(metadata.get("id_token_signing_alg_values_supported") or ["RS256"])
    metadata["id_token_signing_alg_values_supported"] = sorted(offered & _ALGORITHMS)
    checks = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": settings.oidc_client_id},
    }
    token = client.authorize_access_token(claims_options=checks, leeway=LEEWAY_SECONDS)
    claims: dict[str, Any] = dict(token.get("userinfo") or {})
    if not claims:
        raise ValueError("there is no ID token")
    if settings.oidc_role_claim.split(".", maxsplit=1)[0] in claims or "userinfo_endpoint" not in metadata:
        return claims
    more = client.userinfo(token=token)
    # The answer is for the same person only where it says so (OpenID Connect Core 1.0, section 5.3.2).
    if more.get("sub") != claims["sub"]:
        raise ValueError("the provider tells of somebody else")
    return {**more, **claims}


def _admit(deps: Deps, who: Identified) -> User:
    assert who.role is not None  # noqa: S101 - whoever has none is turned away before
    name = who.name
    if name.lower() == deps.settings.manager_user.lower():
        # That one is known by the settings' password.
        name = f"{name} ({who.subject})"[:200]
    with deps.database.transaction() as connection:
        person, before = people.admit_oidc_person(
            connection, issuer=deps.settings.oidc_issuer or "", subject=who.subject, name=name, role=who.role
        )
        user = User(person.id, person.name, person.role)
        _note_change(connection, user, before)
    deps.remembered.forget_person(person.id)
    return user


def _note_change(connection: psycopg.Connection, user: User, before: Role | None) -> None:
    """Write down that the provider made somebody, or gave them another role."""
    action, told = "person.role", {"name": user.name, "before": before, "after": user.role, "by": _NAME}
    if before is None:
        action, told = "person.add", {"name": user.name, "role": user.role, "by": _NAME}
    if before != user.role:
        audit.note(connection, actor(user), audit.Act(action, "person", user.id, detail=told))


def _turned_away(sentence: str, status: int, error: Exception | None) -> Response:
    """The form, with what is wrong. What the provider said stays in the log: an address can be made to say anything."""
    reason = "no role, or disabled" if error is None else type(error).__name__
    log.warning("sign_in_refused", client=request.remote_addr, by=_NAME, reason=reason, said=str(error or "")[:200])
    return refused(sentence, status)
