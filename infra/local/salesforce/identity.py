"""Who may sign in to the sandbox org, by which connected apps, and which sessions are good."""

from __future__ import annotations

import hmac
import secrets
import sqlite3
from dataclasses import astuple, dataclass, fields
from typing import Any, Literal, Protocol

from infra.local.salesforce.clock import Clock
from infra.local.salesforce.store import Store

#: The default timeout of a session in Setup > Session Settings.
SESSION_SECONDS = 7200

AppState = Literal["installed", "uninstalled", "blocked"]

_TABLES = """
CREATE TABLE IF NOT EXISTS sandbox_passwords (
    user_id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE COLLATE NOCASE, password TEXT NOT NULL,
    security_token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sandbox_apps (
    client_id TEXT PRIMARY KEY, name TEXT NOT NULL, client_secret TEXT, callback_url TEXT NOT NULL, certificate TEXT,
    rotates INTEGER NOT NULL, preauthorized INTEGER NOT NULL, run_as TEXT, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sandbox_approvals (
    client_id TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (client_id, user_id));
CREATE TABLE IF NOT EXISTS sandbox_codes (
    code TEXT PRIMARY KEY, client_id TEXT NOT NULL, user_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
    scopes TEXT NOT NULL, challenge TEXT, expires_at REAL NOT NULL, family INTEGER);
CREATE TABLE IF NOT EXISTS sandbox_families (
    family INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT NOT NULL, user_id TEXT NOT NULL, scopes TEXT NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS sandbox_refresh_tokens (
    token TEXT PRIMARY KEY, family INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS sandbox_sessions (
    token TEXT PRIMARY KEY, user_id TEXT NOT NULL, client_id TEXT, scopes TEXT NOT NULL, family INTEGER,
    issued_at REAL NOT NULL, expires_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sandbox_sessions_family ON sandbox_sessions (family);
"""


class InvalidSession(Exception):
    """The token opens no session: never issued, over, or revoked. REST answers 401 INVALID_SESSION_ID."""


class OAuthError(Exception):
    """What the token endpoint refuses with: an error of RFC 6749 §5.2 or one of Salesforce's own, and its sentence."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status

    def json(self) -> dict[str, str]:
        return {"error": self.error, "error_description": self.description}


@dataclass(frozen=True, slots=True)
class App:
    """A connected app.

    Without `client_secret` it is a public client, which must prove itself by PKCE. `certificate` is the PEM that checks
    its JWT assertions. `rotates` follows the policy "refresh token rotation". The users of a `preauthorized` app are
    admin-approved; those of another must allow it once. `run_as` is the user of the client credentials flow.
    """

    client_id: str
    name: str
    client_secret: str | None = None
    callback_url: str = ""
    certificate: str | None = None
    rotates: bool = True
    preauthorized: bool = False
    run_as: str | None = None
    state: AppState = "installed"


@dataclass(frozen=True, slots=True)
class Session:
    """A good session; moments are seconds of the epoch by the org's clock. SOAP sign-ins have no `client_id`."""

    token: str
    user_id: str
    client_id: str | None
    scopes: frozenset[str]
    family: int | None
    issued_at: float
    expires_at: float


class SandboxUser(Protocol):
    """What is read of a user of the org."""

    @property
    def id(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def active(self) -> bool: ...


class SandboxOrg(Protocol):
    """What is needed of the org."""

    @property
    def clock(self) -> Clock: ...
    @property
    def store(self) -> Store: ...
    @property
    def organization_id(self) -> str: ...

    def user(self, user_id: str, /) -> SandboxUser: ...
    def user_named(self, username: str, /) -> SandboxUser | None: ...


class Identity:
    """Users' passwords, connected apps and sessions, kept beside the org's records."""

    def __init__(self, org: SandboxOrg) -> None:
        self.org = org
        self.store = org.store
        #: How long the sessions opened from now on live.
        self.session_seconds: float = SESSION_SECONDS
        with self.store.write() as db:
            for statement in filter(str.strip, _TABLES.split(";")):
                db.execute(statement)

    def now(self) -> float:
        """Seconds of the epoch by the org's clock."""
        return self.org.clock.now().timestamp()

    def is_active(self, user_id: str) -> bool:
        """Whether the org lets this user sign in."""
        return self.org.user(user_id).active

    def username(self, user_id: str) -> str:
        """The name this user signs in with."""
        return self.org.user(user_id).username

    def user_id(self, token: str) -> str | None:
        """Whose session this token opens, None when it opens none."""
        try:
            return self.session(token).user_id
        except InvalidSession:
            return None

    def user_id_named(self, username: str) -> str | None:
        """The Id of the user with this name, None when there is none."""
        user = self.org.user_named(username)
        return None if user is None else user.id

    def set_password(self, user_id: str, username: str, password: str, *, security_token: str) -> None:
        """Let a user of the org sign in with a password, from outside trusted networks with the token appended."""
        with self.store.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO sandbox_passwords VALUES (?, ?, ?, ?)",
                (user_id, username, password, security_token),
            )

    def user_by_password(self, username: str, password: str) -> str | None:
        """The Id of the user whom name and password (alone, or followed by the security token) sign in.

        Raises:
            OAuthError: the user is not active.
        """
        with self.store.read() as db:
            row = db.execute(
                "SELECT user_id, password, security_token FROM sandbox_passwords WHERE username = ?", (username,)
            ).fetchone()
        if row is None or not any(_same(password, right) for right in (row[1], row[1] + row[2])):
            return None
        self.require_active(row[0])
        return str(row[0])

    def require_active(self, user_id: str) -> None:
        """Refuse a user who may not sign in any more.

        Raises:
            OAuthError: the user is not active.
        """
        if not self.is_active(user_id):
            raise OAuthError("invalid_grant", "inactive user")

    def set_app(self, app: App) -> None:
        """Add a connected app, or change it."""
        marks = ", ".join("?" * len(fields(App)))
        names = ", ".join(field.name for field in fields(App))
        with self.store.write() as db:
            db.execute(f"INSERT OR REPLACE INTO sandbox_apps ({names}) VALUES ({marks})", astuple(app))

    def app(self, client_id: str) -> App:
        """The connected app with this consumer key.

        Raises:
            OAuthError: nobody ever made it, or the org's admin removed or blocked it.
        """
        names = ", ".join(field.name for field in fields(App))
        with self.store.read() as db:
            row = db.execute(f"SELECT {names} FROM sandbox_apps WHERE client_id = ?", (client_id,)).fetchone()
        if row is None:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        app = _app(row)
        if app.state == "uninstalled":
            raise OAuthError("app_not_found", "External client app is not installed in this org")
        if app.state == "blocked":
            raise OAuthError("OAUTH_APP_BLOCKED", "this app is blocked by admin")
        return app

    def set_app_state(self, client_id: str, state: AppState) -> None:
        """Install, uninstall or block an app; the last two revoke what was granted to it."""
        with self.store.write() as db:
            db.execute("UPDATE sandbox_apps SET state = ? WHERE client_id = ?", (state, client_id))
            if state != "installed":
                db.execute("UPDATE sandbox_families SET revoked = 1 WHERE client_id = ?", (client_id,))
                db.execute("DELETE FROM sandbox_sessions WHERE client_id = ?", (client_id,))
                db.execute("DELETE FROM sandbox_approvals WHERE client_id = ?", (client_id,))

    def approve(self, client_id: str, user_id: str) -> None:
        """Keep that this user allowed the app to act for him."""
        with self.store.write() as db:
            db.execute("INSERT OR IGNORE INTO sandbox_approvals VALUES (?, ?)", (client_id, user_id))

    def require_approval(self, app: App, user_id: str) -> None:
        """Refuse an app that may not act for this user.

        Raises:
            OAuthError: neither the admin nor the user approved it.
        """
        with self.store.read() as db:
            known = db.execute(
                "SELECT 1 FROM sandbox_approvals WHERE client_id = ? AND user_id = ?", (app.client_id, user_id)
            ).fetchone()
        if known is None and not app.preauthorized:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")

    def open_session(self, user_id: str, client_id: str | None = None, *, scopes: str = "api id") -> Session:
        """A new session of a user, by an app or by a password alone."""
        with self.store.write() as db:
            return self.open_session_in(db, user_id, client_id, scopes=scopes)

    def open_session_in(
        self,
        db: sqlite3.Connection,
        user_id: str,
        client_id: str | None,
        *,
        scopes: str,
        family: int | None = None,
    ) -> Session:
        """The same inside the caller's transaction; the session ends with its `family` of refresh tokens."""
        now = self.now()
        token = f"{self.org.organization_id[:15]}!{secrets.token_urlsafe(60)}"
        row = (token, user_id, client_id, scopes, family, now, now + self.session_seconds)
        db.execute("INSERT INTO sandbox_sessions VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return Session(token, user_id, client_id, frozenset(scopes.split()), family, now, row[-1])

    def session(self, token: str) -> Session:
        """The session that an access token or a session id opens.

        Raises:
            InvalidSession: there is none, or it is over.
        """
        with self.store.read() as db:
            row = db.execute(
                "SELECT token, user_id, client_id, scopes, family, issued_at, expires_at FROM sandbox_sessions"
                " WHERE token = ? AND expires_at > ?",
                (token, self.now()),
            ).fetchone()
        if row is None or not self.is_active(row[1]):
            raise InvalidSession
        return Session(row[0], row[1], row[2], frozenset(row[3].split()), *row[4:])

    def end_session(self, token: str) -> bool:
        """Revoke one access token; False when it was none."""
        with self.store.write() as db:
            return db.execute("DELETE FROM sandbox_sessions WHERE token = ?", (token,)).rowcount > 0

    def end_sessions(self) -> int:
        """Revoke every access token, as when an admin ends all sessions; how many there were."""
        with self.store.write() as db:
            return db.execute("DELETE FROM sandbox_sessions").rowcount


def _app(row: tuple[Any, ...]) -> App:
    values = dict(zip((field.name for field in fields(App)), row, strict=True))
    # SQLite keeps truth as a number.
    return App(**{**values, "rotates": bool(values["rotates"]), "preauthorized": bool(values["preauthorized"])})


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
