"""The sign-in by a person with a browser: the web server flow with PKCE (RFC 7636).

Salesforce, "OAuth 2.0 Web Server Flow" and "Proof Key for Code Exchange".
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlencode

from retinue.clock import Clock, SystemClock
from retinue.errors import PermanentError
from servants.salesforce.client.sign_in import check_address
from servants.salesforce.client.token_request import check_granted, exchange

#: To read by the API, at any time, and to tell who has signed in.
SCOPES = "api refresh_token id"


@dataclass(frozen=True, slots=True)
class WebFlow:
    """One sign-in under way. `state` and `verifier` bind what comes back to it; neither shows in a `repr`."""

    login_url: str
    client_id: str
    redirect_url: str
    client_secret: str = field(default="", repr=False)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)

    @classmethod
    def begin(cls, login_url: str, client_id: str, redirect_url: str, *, client_secret: str = "") -> Self:
        """A sign-in at `login_url` that comes back to `redirect_url`, which the app has to allow.

        Raises:
            PermanentError: the address cannot be used.
        """
        return cls(login_url.rstrip("/"), client_id, redirect_url, client_secret)

    def __post_init__(self) -> None:
        check_address(self.login_url, "login_url")

    @property
    def url(self) -> str:
        """Where the person goes with a browser."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_url,
            "scope": SCOPES,
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.login_url}/services/oauth2/authorize?{urlencode(query)}"

    def finish(self, came_back: Mapping[str, str], *, clock: Clock | None = None) -> dict[str, str]:
        """The credentials that the query of the address which the browser came back to is changed for.

        Raises:
            SettingsRefused: the tokens are for an address that they may not be sent to.
            PermanentError: the person refused, the answer is not of this sign-in, or the app gives no refresh tokens.
            CredentialError, RateLimited, TransientError: see `servants.salesforce.client.token_request.ask`.
        """
        if not secrets.compare_digest(came_back.get("state", "").encode(), self.state.encode()):
            raise PermanentError("What came back is not of this sign-in; begin anew.")
        if "error" in came_back or not came_back.get("code"):
            raise PermanentError("Salesforce did not let Retinue in: the person refused, or may not use this app.")
        form = {
            "grant_type": "authorization_code",
            "code": came_back["code"],
            "client_id": self.client_id,
            "redirect_uri": self.redirect_url,
            "code_verifier": self.verifier,
        } | self._secret
        made = exchange(self.login_url, form, clock=clock or SystemClock())
        check_granted(made, login_url=self.login_url)
        if "refresh_token" not in made:
            raise PermanentError("The app gives no refresh tokens: add the scope refresh_token to its OAuth settings.")
        return made | self._secret

    @property
    def _secret(self) -> dict[str, str]:
        return {"client_secret": self.client_secret} if self.client_secret else {}
