"""The JWT bearer flow: an app signs that it acts for a user ("OAuth 2.0 JWT Bearer Flow", help.salesforce.com)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.salesforce.identity import App, Identity, OAuthError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

#: An assertion may live three minutes, and the clocks may differ by as much.
SKEW_SECONDS = 180
LIFE_SECONDS = 180

#: The login hosts that an assertion may be meant for; the org's own address is a third.
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


def user_of_assertion(identity: Identity, assertion: str, *, own_url: str) -> tuple[App, str]:
    """The app that signed, and the user it acts for.

    Raises:
        OAuthError: the assertion is no RS256 JWT of a known app, is meant for another server, is over, or its user is
            unknown, inactive or has not approved the app.
    """
    app = identity.app(_claims(assertion).get("iss", ""))
    claims = _verified(assertion, app)
    if claims.get("aud") not in (*AUDIENCES, own_url):
        raise OAuthError("invalid_grant", "audience is invalid")
    _require_current(claims, now=identity.now())
    user_id = identity.user_id_named(str(claims.get("sub", "")))
    if user_id is None:
        raise OAuthError("invalid_grant", "user hasn't approved this consumer")
    identity.require_active(user_id)
    identity.require_approval(app, user_id)
    return app, user_id


def _claims(assertion: str) -> dict[str, Any]:
    """What the assertion says, not yet believed: its issuer names the key that proves it."""
    import jwt

    try:
        return jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise OAuthError("invalid_grant", "invalid assertion") from None


def _verified(assertion: str, app: App) -> dict[str, Any]:
    import jwt

    if app.certificate is None:
        raise OAuthError("invalid_grant", "invalid assertion")
    # Times and audience are judged by the org's own clock and names.
    options: Any = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False}
    try:
        return jwt.decode(assertion, _public_key(app.certificate), algorithms=["RS256"], options=options)
    except jwt.InvalidTokenError:
        raise OAuthError("invalid_grant", "invalid assertion") from None


def _public_key(pem: str) -> RSAPublicKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    given = pem.encode()
    key = load_pem_x509_certificate(given).public_key() if "CERTIFICATE" in pem else load_pem_public_key(given)
    if not isinstance(key, RSAPublicKey):
        raise OAuthError("invalid_grant", "invalid assertion")
    return key


def _require_current(claims: dict[str, Any], *, now: float) -> None:
    try:
        expires = float(claims.get("exp", ""))
    except ValueError:
        raise OAuthError("invalid_grant", "invalid assertion") from None
    if not now - SKEW_SECONDS < expires <= now + LIFE_SECONDS + SKEW_SECONDS:
        raise OAuthError("invalid_grant", "assertion is not within its validity period")
