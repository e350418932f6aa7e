"""Authorisation codes, and refresh tokens in families: whoever uses an old one again ends the whole family.

Facts: "OAuth 2.0 Web Server Flow" and "Refresh Token Rotation" (help.salesforce.com).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass

from infra.local.salesforce.identity import App, Identity, OAuthError, Session

#: An authorisation code is good for 15 minutes.
CODE_SECONDS = 900

#: So many grants of one user to one app live at once; a further one ends the oldest.
LIVE_GRANTS = 5


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token request gave: a session, and perhaps a refresh token for the next."""

    session: Session
    refresh_token: str | None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user allowed on the page of the web flow. `challenge` is PKCE's, method S256."""

    client_id: str
    user_id: str
    redirect_uri: str
    scopes: str
    challenge: str | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Whose a refresh token is, and what it allows."""

    user_id: str
    scopes: str


class Grants:
    """Codes and families of refresh tokens."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._store = identity.store

    def issue_code(self, consent: Consent) -> str:
        """A code that the app may exchange once."""
        self._identity.approve(consent.client_id, consent.user_id)
        code = f"aPrx{secrets.token_urlsafe(40)}"
        with self._store.write() as db:
            db.execute(
                "INSERT INTO sandbox_codes VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    code,
                    consent.client_id,
                    consent.user_id,
                    consent.redirect_uri,
                    consent.scopes,
                    consent.challenge,
                    self._identity.now() + CODE_SECONDS,
                ),
            )
        return code

    def exchange_code(self, app: App, code: str, *, redirect_uri: str, verifier: str | None) -> Grant:
        """The tokens for a code.

        Raises:
            OAuthError: the code is unknown, used, over or of another app, or the verifier does not fit; a code that is
                used again ends what it had given (RFC 6749 §4.1.2).
        """
        with self._store.write() as db:
            outcome = self._exchange(db, app, code, redirect_uri=redirect_uri, verifier=verifier)
        return _granted(outcome)

    def _exchange(
        self, db: sqlite3.Connection, app: App, code: str, *, redirect_uri: str, verifier: str | None
    ) -> Grant | OAuthError:
        row = db.execute(
            "SELECT client_id, user_id, redirect_uri, scopes, challenge, expires_at, family FROM sandbox_codes"
            " WHERE code = ?",
            (code,),
        ).fetchone()
        if row is None or row[0] != app.client_id:
            return OAuthError("invalid_grant", "invalid authorization code")
        if row[6] is not None:
            _end_family(db, row[6])
            return OAuthError("invalid_grant", "expired authorization code")
        refusal = _code_refusal(row, now=self._identity.now(), redirect_uri=redirect_uri, verifier=verifier)
        if refusal is not None:
            return refusal
        grant = self._open_family(db, app, row[1], scopes=row[3])
        db.execute("UPDATE sandbox_codes SET family = ? WHERE code = ?", (grant.session.family, code))
        return grant

    def _open_family(self, db: sqlite3.Connection, app: App, user_id: str, *, scopes: str) -> Grant:
        for (family,) in db.execute(
            "SELECT family FROM sandbox_families WHERE client_id = ? AND user_id = ? AND NOT revoked"
            " ORDER BY family DESC LIMIT -1 OFFSET ?",
            (app.client_id, user_id, LIVE_GRANTS - 1),
        ).fetchall():
            _end_family(db, family)
        family = db.execute(
            "INSERT INTO sandbox_families (client_id, user_id, scopes) VALUES (?, ?, ?)",
            (app.client_id, user_id, scopes),
        ).lastrowid
        session = self._identity.open_session_in(db, user_id, app.client_id, scopes=scopes, family=family)
        keeps = {"refresh_token", "offline_access"} & set(scopes.split())
        return Grant(session, _new_token(db, family) if keeps and family is not None else None)

    def refresh(self, app: App, token: str) -> Grant:
        """A new session, and with rotation a new refresh token in the place of the one that is used.

        Raises:
            OAuthError: the token is unknown, of another app or revoked, or the user is not active. A token that was
                used before also ends its family with all its sessions.
        """
        owner = self.live_refresh_token(token, app)
        active = owner is not None and self._identity.is_active(owner.user_id)
        with self._store.write() as db:
            outcome = self._refresh(db, app, token, active=active)
        return _granted(outcome)

    def _refresh(self, db: sqlite3.Connection, app: App, token: str, *, active: bool) -> Grant | OAuthError:
        row = db.execute(
            "SELECT family, used, client_id, user_id, scopes, revoked FROM sandbox_refresh_tokens"
            " JOIN sandbox_families USING (family) WHERE token = ?",
            (token,),
        ).fetchone()
        if row is None or row[2] != app.client_id or row[5]:
            return OAuthError("invalid_grant", "expired access/refresh token")
        if row[1]:
            _end_family(db, row[0])
            return OAuthError("invalid_grant", "expired access/refresh token")
        if not active:
            return OAuthError("invalid_grant", "inactive user")
        session = self._identity.open_session_in(db, row[3], app.client_id, scopes=row[4], family=row[0])
        if not app.rotates:
            return Grant(session, None)
        db.execute("UPDATE sandbox_refresh_tokens SET used = 1 WHERE token = ?", (token,))
        return Grant(session, _new_token(db, row[0]))

    def revoke(self, token: str) -> bool:
        """End the session of an access token, or the family of a refresh token; False when it is neither."""
        with self._store.write() as db:
            row = db.execute("SELECT family FROM sandbox_refresh_tokens WHERE token = ?", (token,)).fetchone()
            if row is not None:
                _end_family(db, row[0])
                return True
        return self._identity.end_session(token)

    def revoke_user(self, user_id: str) -> int:
        """End everything that this user granted, as an admin does in Setup; how many families."""
        with self._store.write() as db:
            families = db.execute(
                "SELECT family FROM sandbox_families WHERE user_id = ? AND NOT revoked", (user_id,)
            ).fetchall()
            for (family,) in families:
                _end_family(db, family)
        return len(families)

    def live_refresh_token(self, token: str, app: App) -> RefreshToken | None:
        """A refresh token of this app, if it is still good."""
        with self._store.read() as db:
            row = db.execute(
                "SELECT user_id, scopes FROM sandbox_refresh_tokens JOIN sandbox_families USING (family)"
                " WHERE token = ? AND client_id = ? AND NOT used AND NOT revoked",
                (token, app.client_id),
            ).fetchone()
        return None if row is None else RefreshToken(*row)

    def revoked_families(self) -> int:
        """How many families were ended so far."""
        with self._store.read() as db:
            return int(db.execute("SELECT count(*) FROM sandbox_families WHERE revoked").fetchone()[0])


def _granted(outcome: Grant | OAuthError) -> Grant:
    """Raised outside the transaction: what a refusal revoked must be committed."""
    if isinstance(outcome, OAuthError):
        raise outcome
    return outcome


def _code_refusal(
    row: tuple[str, str, str, str, str | None, float, int | None],
    *,
    now: float,
    redirect_uri: str,
    verifier: str | None,
) -> OAuthError | None:
    if row[5] <= now:
        return OAuthError("invalid_grant", "expired authorization code")
    if row[2] != redirect_uri:
        return OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
    if row[4] is not None and not (verifier and hmac.compare_digest(challenge_of(verifier), row[4])):
        return OAuthError("invalid_grant", "invalid code verifier")
    return None


def challenge_of(verifier: str) -> str:
    """PKCE's challenge of a verifier, method S256 (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _new_token(db: sqlite3.Connection, family: int) -> str:
    token = f"5Aep861{secrets.token_urlsafe(56)}"
    db.execute("INSERT INTO sandbox_refresh_tokens (token, family) VALUES (?, ?)", (token, family))
    return token


def _end_family(db: sqlite3.Connection, family: int) -> None:
    db.execute("UPDATE sandbox_families SET revoked = 1 WHERE family = ?", (family,))
    db.execute("DELETE FROM sandbox_sessions WHERE family = ?", (family,))
