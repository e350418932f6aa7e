"""Access tokens of one connection: one refresher at a time, and nothing used before it is stored.

Salesforce rotates refresh tokens: each renewal withdraws the token that it was asked with, and the use of a withdrawn
one ends the whole family, access tokens included (help article 005316711). So a renewal runs inside
`Connection.renew`, which holds a lock over all processes from reading the stored credentials until the new ones are
committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from infra.logs import get_logger
from retinue.clock import Clock, SystemClock
from retinue.connection import Connection, Renewal
from retinue.errors import JobError
from servants.salesforce.client.sign_in import KEPT, SignIn

#: A token that expires within this time is renewed before it is used.
MARGIN = timedelta(seconds=60)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and the address it is for."""

    value: str = field(repr=False)
    instance_url: str


def good_token(sign_in: SignIn, now: datetime) -> Token | None:
    """The stored token, where there is one that does not expire soon."""
    expires = sign_in.expires_at is not None and sign_in.expires_at <= now + MARGIN
    if expires or not sign_in.access_token or not sign_in.instance_url:
        return None
    return Token(sign_in.access_token, sign_in.instance_url)


class Tokens:
    """The tokens of one connection, for one job. Several threads may share it.

    Every method raises:
        CredentialError, PermissionWithdrawn: Salesforce no longer lets Retinue in; a person has to act.
        TransientError, RateLimited: no tokens are given for now.
        PermanentError: the settings are not complete.
    """

    def __init__(self, connection: Connection, *, clock: Clock | None = None) -> None:
        self._connection = connection
        self._clock = clock or SystemClock()
        self._known = SignIn.from_settings(connection.config, connection.credentials)

    def token(self) -> Token:
        """One that is good now, as far as anybody knows."""
        return good_token(self._known, self._clock.now()) or self._renew(None)

    def renewed(self, refused: Token) -> Token:
        """Another one than `refused`, which Salesforce did not accept."""
        known = good_token(self._known, self._clock.now())
        return self._renew(refused) if known is None or known == refused else known

    def _renew(self, refused: Token | None) -> Token:
        refusals: list[JobError] = []
        stored = self._connection.renew(self._renewal(refused, refusals))
        if refusals:
            raise refusals[0]
        self._known = SignIn.from_settings(self._connection.config, stored)
        return Token(self._known.access_token, self._known.instance_url)

    def _renewal(self, refused: Token | None, refusals: list[JobError]) -> Renewal:
        """What renews; to `refusals` goes why a token cannot be used that came with a refresh token to be stored."""

        def renew(stored: Mapping[str, str]) -> Mapping[str, str]:
            # Loaded with the first renewal, as most jobs need none.
            from servants.salesforce.client.token_request import ask, check_granted, check_same

            sign_in = SignIn.from_settings(self._connection.config, stored)
            found = good_token(sign_in, self._clock.now())
            if found is not None and found != refused:
                return stored
            fresh = ask(sign_in, clock=self._clock)
            try:
                check_granted(fresh, login_url=sign_in.login_url)
                check_same(self._connection.config, stored, fresh)
            except JobError as refusal:
                refusals.append(refusal)
                # The one that was used is withdrawn: without this nobody could sign in again.
                return {**stored, **{name: value for name, value in fresh.items() if name == "refresh_token"}}
            log.info("access_token_renewed", connection=self._connection.id, host=sign_in.host)
            return merged(stored, fresh)

        return renew


def merged(stored: Mapping[str, str], fresh: Mapping[str, str]) -> dict[str, str]:
    """The credentials after a renewal: what it did not give anew and may still be used stays."""
    outdated = {name for name in KEPT if name != "refresh_token"}
    return {name: value for name, value in stored.items() if name not in outdated} | dict(fresh)
