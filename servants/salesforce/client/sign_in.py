"""As whom, where and how Retinue signs in to an org: from a connection's settings, checked.

Two flows: the JWT bearer flow with a key that the customer's admin has allowed (RFC 7523), which no refresh token is
needed for, and the web server flow, whose refresh tokens Salesforce may rotate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from infra.hosts import is_loopback
from retinue.errors import SettingsRefused
from servants.web import shown

LOGIN_URL = "https://login.salesforce.com"
SANDBOX_URL = "https://test.salesforce.com"

#: Every org answers in it; newer ones add nothing that is read here.
API_VERSION = "62.0"

#: What a person does about a sign-in that is no longer good; names the command.
SIGN_IN_ANEW = "Sign in anew: `retinue connections sign-in ID`."

#: The credentials that renewals keep.
KEPT = ("access_token", "instance_url", "expires_at", "refresh_token")

_VERSION = re.compile(r"[1-9]\d{1,2}\.0")

Flow = Literal["jwt", "refresh"]


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a customer has allowed. Secrets show in no `repr`."""

    login_url: str
    client_id: str
    username: str
    audience: str
    api_version: str
    private_key: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    instance_url: str = ""
    expires_at: datetime | None = None

    @classmethod
    def from_settings(cls, config: Mapping[str, Any], credentials: Mapping[str, str]) -> Self:
        """From a connection's settings.

        `config` holds `client_id` and, where they differ from the usual, `login_url`, `audience`, `api_version`;
        `username` is needed with a key. `credentials` holds `private_key` (PEM), or `refresh_token` with a
        `client_secret` where the app has one; `access_token`, `instance_url`, `expires_at` and `organization_id`, which
        `config` holds, too, once it is known, are kept by renewals.

        Raises:
            SettingsRefused: something is missing or cannot be used.
        """
        # Rows may hold whatever JSON somebody wrote into them.
        parts: list[Any] = [config, credentials]
        given, secret = (part if isinstance(part, Mapping) else {} for part in parts)
        login_url = (_text(given, "login_url") or LOGIN_URL).rstrip("/")
        return cls(
            login_url=login_url,
            client_id=_text(given, "client_id"),
            username=_text(given, "username"),
            audience=_text(given, "audience") or login_url,
            api_version=_text(given, "api_version") or API_VERSION,
            private_key=_text(secret, "private_key", lines=True),
            refresh_token=_text(secret, "refresh_token"),
            client_secret=_text(secret, "client_secret"),
            access_token=_text(secret, "access_token"),
            instance_url=_text(secret, "instance_url").rstrip("/"),
            expires_at=_moment(_text(secret, "expires_at")),
        )

    def __post_init__(self) -> None:
        check_address(self.login_url, "login_url")
        if self.instance_url:
            check_instance(self.instance_url, login_url=self.login_url)
        if not self.client_id:
            raise SettingsRefused("The Salesforce connection has no client_id: give the app's consumer key.")
        if not _VERSION.fullmatch(self.api_version):
            raise SettingsRefused(f"The api_version {self.api_version[:20]!r} is none: write it as {API_VERSION}.")
        if not self.private_key and not self.refresh_token:
            raise SettingsRefused(f"The Salesforce connection has no private_key and no refresh_token. {SIGN_IN_ANEW}")
        if self.private_key and not self.username:
            raise SettingsRefused("A private_key signs in as somebody: give the username.")

    @property
    def flow(self) -> Flow:
        """How access tokens are asked for; a key wins, because its tokens never rotate."""
        return "jwt" if self.private_key else "refresh"

    @property
    def host(self) -> str:
        return urlsplit(self.login_url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.login_url).port or (443 if self.uses_tls else 80)

    @property
    def uses_tls(self) -> bool:
        return self.login_url.startswith("https://")


def check_address(url: str, name: str) -> None:
    """Refuse an address that secrets may not be sent to: over TLS, or to this very machine.

    Raises:
        SettingsRefused: it is one.
    """
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        raise SettingsRefused(f"The {name} of the Salesforce connection cannot be read.") from None
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if not named or not safe or parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingsRefused(f"The {name} {shown(url)!r} is none: it begins with https:// and names a host alone.")


def check_instance(instance_url: str, *, login_url: str) -> None:
    """Refuse an address of an org that a sign-in there may not lead to: into this machine or its network, say.

    Who signs in at a public name over TLS is led to another one; only this very machine leads to itself.

    Raises:
        SettingsRefused: it is one.
    """
    check_address(instance_url, "instance_url")
    login, instance = urlsplit(login_url), urlsplit(instance_url)
    is_public = login.scheme == "https" and _is_name(login.hostname or "")
    if is_public and not (instance.scheme == "https" and _is_name(instance.hostname or "")):
        raise SettingsRefused(
            f"The instance_url {shown(instance_url)!r} is no org's: a sign-in at {login.hostname} leads to a public "
            "name, by https."
        )
    if not is_loopback(login.hostname or "") and is_loopback(instance.hostname or ""):
        raise SettingsRefused(f"The instance_url {shown(instance_url)!r} is this machine, and the login_url is not.")


def _is_name(host: str) -> bool:
    """Whether it is a name of several parts, and no address in any of the ways in which they are written."""
    *parents, last = host.rstrip(".").split(".")
    return bool(parents) and last[:1].isalpha() and last.lower() != "localhost"


def _text(settings: Mapping[str, Any], name: str, *, lines: bool = False) -> str:
    value = settings.get(name) or ""
    plain = value.replace("\n", "").replace("\r", "") if lines and isinstance(value, str) else value
    if not isinstance(plain, str) or not plain.isprintable():
        raise SettingsRefused(f"The {name} of the Salesforce connection is no plain text. {SIGN_IN_ANEW}")
    return str(value)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        moment = None
    # Nobody but renewals writes it; whatever else stands there, the token is used until it is refused.
    return moment if moment is None or moment.tzinfo else None
