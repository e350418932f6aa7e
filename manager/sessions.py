"""The cookie of a browser: signed, and with the secret of the session that the database knows.

What the cookie says beside that is its form token and what the next page is to tell.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface

from infra.postgres.sessions import digest_of
from infra.secrets import Keyring
from infra.settings import Settings
from manager.csrf import renew_token

#: A session ends this long after signing in, however busy it is, in seconds.
SESSION_SECONDS = 12 * 3600

#: Browsers take a cookie of this prefix only from this very host over HTTPS (RFC 6265bis, section 4.1.3.2).
HOST_PREFIX = "__Host-"

_KEPT = "session"


class _SessionInterface(SecureCookieSessionInterface):
    """Signs with SHA-256, and keeps the cookie off plain HTTP wherever it was set over HTTPS."""

    digest_method = staticmethod(hashlib.sha256)

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_name(self, app: Flask) -> str:
        name: str = app.config["SESSION_COOKIE_NAME"]
        return HOST_PREFIX + name if request.is_secure else name


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


def session_secret() -> str | None:
    """The secret that the browser's cookie holds, if somebody has signed in with it."""
    return session.get(_KEPT)


def session_digest() -> bytes:
    """By what the database knows the present session; nothing where there is none."""
    secret = session_secret()
    return b"" if secret is None else digest_of(secret)


def begin_session(secret: str) -> None:
    """Give the browser a new session, with a form token of its own; nothing of an earlier one stays."""
    session.clear()
    session[_KEPT], session.permanent = secret, True
    renew_token()
