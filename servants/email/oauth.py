"""Access tokens for mailboxes that are signed in to with OAuth 2, renewed for as long as that is allowed.

The credentials of such a connection: `access_token`, `refresh_token`, `expires_at` (ISO 8601), `token_url`, `client_id`
and, where the provider wants them, `client_secret` and `scope`. Tokens and secrets show in no message and no `repr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from infra.hosts import is_loopback
from infra.logs import get_logger
from retinue.async_job import AsyncConnection
from retinue.clock import Clock, SystemClock
from retinue.connection import Connection, Renewal
from retinue.errors import CredentialError

#: A token that expires within this time is renewed before it is used.
MARGIN = timedelta(seconds=60)

#: What a person does about tokens that are no longer good; names the command.
SIGN_IN_ANEW = "Sign in anew and store the new tokens: `retinue connections password ID --oauth FILE`."

#: What the credentials of such a connection may hold.
NAMES = ("access_token", "refresh_token", "expires_at", "token_url", "client_id", "client_secret", "scope")

_NO_MOMENT = "The expires_at of the mail connection is no time with a zone, as in 2026-01-31T12:00:00Z."

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a customer has allowed: the tokens, and where and as which client new ones are asked for."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime | None
    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scope: str = ""

    @classmethod
    def from_credentials(cls, credentials: Mapping[str, str]) -> Grant:
        """From a connection's credentials: an access token, or a refresh token with the place and client to renew it.

        Raises:
            CredentialError: something is missing or cannot be used.
        """
        given = {name: _text(credentials, name) for name in NAMES}
        return cls(expires_at=_moment(given.pop("expires_at")), **given)

    def __post_init__(self) -> None:
        if not self.access_token and not self.refresh_token:
            raise CredentialError(f"The mail connection has no access_token and no refresh_token. {SIGN_IN_ANEW}")
        if not self.refresh_token:
            return
        missing = [name for name in ("token_url", "client_id") if not getattr(self, name)]
        if missing:
            raise CredentialError(f"The mail connection has no {' and no '.join(missing)} to renew its token with.")
        if not _is_safe(self.token_url):
            raise CredentialError("The token_url of the mail connection is no address that begins with https://.")

    def is_good(self, now: datetime) -> bool:
        """Whether there is an access token that does not expire soon."""
        return bool(self.access_token) and (self.expires_at is None or self.expires_at > now + MARGIN)


def is_oauth(credentials: Mapping[str, str]) -> bool:
    """Whether these are credentials of OAuth and no password."""
    return not {"access_token", "refresh_token"}.isdisjoint(credentials)


def renewal(refused: str | None, *, clock: Clock, connection_id: int) -> Renewal:
    """What makes credentials with a good access token of the stored ones; gives back those that are good already.

    `refused` is a token that the mail server did not accept: it is not good, whatever its time says. What is returned
    raises what `servants.email.token_request.ask` does.
    """

    def renew(stored: Mapping[str, str]) -> Mapping[str, str]:
        from servants.email.token_request import ask

        grant = Grant.from_credentials(stored)
        if grant.is_good(clock.now()) and grant.access_token != refused:
            return stored
        if not grant.refresh_token:
            raise CredentialError(
                f"The access token is no longer good, and there is no refresh token to renew it with. {SIGN_IN_ANEW}"
            )
        fresh = ask(grant, clock=clock)
        log.info("access_token_renewed", connection=connection_id, host=urlsplit(grant.token_url).hostname)
        return {name: value for name, value in stored.items() if name != "expires_at"} | fresh

    return renew


class _Held:
    """The newest token that one job knows of."""

    def __init__(self, connection: Connection | AsyncConnection, clock: Clock | None) -> None:
        self._connection_id = connection.id
        self._clock = clock or SystemClock()
        self._grant = Grant.from_credentials(connection.credentials)

    @property
    def _is_good(self) -> bool:
        return self._grant.is_good(self._clock.now())

    def _renewal(self, refused: str | None) -> Renewal:
        return renewal(refused, clock=self._clock, connection_id=self._connection_id)

    def _take(self, stored: Mapping[str, str]) -> str:
        self._grant = Grant.from_credentials(stored)
        return self._grant.access_token


class AccessTokens(_Held):
    """The access tokens of one connection. Not shared between threads.

    Every method raises:
        CredentialError: the provider withdrew what the customer had allowed, or the stored credentials are not
            complete; a person has to sign in anew.
        TransientError, RateLimited: the provider gives no tokens for now.
    """

    def __init__(self, connection: Connection, *, clock: Clock | None = None) -> None:
        super().__init__(connection, clock)
        self._connection = connection

    def token(self) -> str:
        """One that is good now, as far as anybody knows."""
        return self._grant.access_token if self._is_good else self._take(self._connection.renew(self._renewal(None)))

    def after(self, refused: str) -> str:
        """Another one than `refused`, which the mail server did not accept."""
        return self._take(self._connection.renew(self._renewal(refused)))


class AsyncAccessTokens(_Held):
    """As `AccessTokens`, in an event loop."""

    def __init__(self, connection: AsyncConnection, *, clock: Clock | None = None) -> None:
        super().__init__(connection, clock)
        self._connection = connection

    async def token(self) -> str:
        """One that is good now, as far as anybody knows."""
        if self._is_good:
            return self._grant.access_token
        return self._take(await self._connection.renew(self._renewal(None)))

    async def after(self, refused: str) -> str:
        """Another one than `refused`, which the mail server did not accept."""
        return self._take(await self._connection.renew(self._renewal(refused)))


def _text(credentials: Mapping[str, Any], name: str) -> str:
    value = credentials.get(name) or ""
    if not isinstance(value, str) or not value.isprintable():
        raise CredentialError(f"The {name} of the mail connection is no plain text. {SIGN_IN_ANEW}")
    return value


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise CredentialError(_NO_MOMENT) from None
    if moment is not None and moment.tzinfo is None:
        raise CredentialError(_NO_MOMENT)
    return moment


def _is_safe(url: str) -> bool:
    """Whether secrets may be sent there: over TLS, or to this very machine."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        return False
    return named and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")))
