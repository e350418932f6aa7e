"""Where a mailbox's server is, and as whom to sign in there."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from infra.hosts import Reach, is_address, is_loopback
from retinue.errors import SettingsRefused
from servants.mending import by_setting, lacks
from servants.reach import reach_of


class Tls(StrEnum):
    """How the connection is encrypted; `NONE` is for servers on this very machine only."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


#: The port of each kind where the connection names none (RFC 8314 §3.2, RFC 9051 §2.1).
DEFAULT_PORTS = {Tls.TLS: 993, Tls.STARTTLS: 143, Tls.NONE: 143}


@lru_cache(maxsize=16)
def trusting(ca_file: str | None = None) -> ssl.SSLContext:
    """TLS to servers whose certificate this machine trusts, or one of the authorities in a file.

    Kept, because reading the authorities takes time and memory.

    Raises:
        OSError: the file cannot be read or holds no certificate.
    """
    return ssl.create_default_context(cafile=ca_file)


@dataclass(frozen=True, slots=True)
class SignIn:
    """A server, a user, and either a password or what gives an access token (XOAUTH2). Secrets show in no `repr`.

    Raises:
        SettingsRefused: it cannot be used; the sentence says how to mend the connection.
    """

    host: str
    username: str
    password: str | None = field(default=None, repr=False, kw_only=True)
    #: Called once for each sign-in.
    access_token: Callable[[], str] | None = field(default=None, repr=False, kw_only=True)
    tls: Tls = field(default=Tls.TLS, kw_only=True)
    #: 0 stands for the usual port.
    port: int = field(default=0, kw_only=True)
    #: Whose certificates to trust; None: those that this machine trusts.
    trust: ssl.SSLContext | None = field(default=None, repr=False, compare=False, kw_only=True)
    #: How far away from this machine it may lead.
    reach: Reach = field(default=Reach.ANY, kw_only=True)

    @classmethod
    def from_settings(
        cls,
        config: Mapping[str, Any],
        credentials: Mapping[str, str],
        *,
        access_token: Callable[[], str] | None = None,
    ) -> SignIn:
        """From a connection's settings.

        `config` holds `host`, `username` and, where they are not the usual ones, `port`, `tls`, `ca_file` (a file of
        PEM certificates of the authorities to trust instead of this machine's) and `reach`; `credentials` holds
        `password`, which is not asked for where `access_token` is given.

        Raises:
            SettingsRefused: one of them is missing or cannot be used.
        """
        # Rows may hold whatever JSON somebody wrote into them.
        parts: list[Any] = [config, credentials]
        config, credentials = (part if isinstance(part, Mapping) else {} for part in parts)
        given = {"host": config.get("host"), "username": config.get("username")}
        if access_token is None:
            given["password"] = credentials.get("password")
        missing = [name for name, value in given.items() if not isinstance(value, str) or not value]
        if missing:
            raise SettingsRefused(lacks("The mail connection", missing))
        return cls(
            str(given["host"]),
            str(given["username"]),
            password=None if access_token else str(given["password"]),
            access_token=access_token,
            tls=_tls(config.get("tls")),
            port=_port(config.get("port")),
            trust=_trust(config.get("ca_file")),
            reach=reach_of(config),
        )

    def __post_init__(self) -> None:
        if not _is_host(self.host):
            advice = "give the port with --port" if _names_port(self.host) else "as in mail.example"
            raise SettingsRefused(f"{self.host[:100]!r} is no host name; give the server's name alone, {advice}.")
        if (self.password is None) == (self.access_token is None):
            raise SettingsRefused("The mail connection needs either a password or an access token.")
        if not 0 <= self.port < 65536:
            raise SettingsRefused(f"The mail connection has port {self.port}; expected a number from 1 to 65535.")
        if "\0" in f"{self.username}{self.password or ''}":
            raise SettingsRefused("User name and password of the mail connection cannot hold a NUL character.")
        if self.tls is Tls.NONE and not is_loopback(self.host):
            raise SettingsRefused(
                f"The mail connection to {self.host} has tls 'none', which is allowed on this machine alone; "
                f"set it to 'tls' or 'starttls': {by_setting('--tls tls')}."
            )
        if self.port == 0:
            object.__setattr__(self, "port", DEFAULT_PORTS[self.tls])

    @property
    def place(self) -> str:
        """The server for people: `mail.example:993`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _tls(value: Any) -> Tls:
    try:
        return Tls.TLS if value is None else Tls(value)
    except ValueError:
        known = ", ".join(repr(mode.value) for mode in Tls)
        raise SettingsRefused(
            f"The mail connection has tls {str(value)[:40]!r}; expected one of {known}: {by_setting('--tls tls')}."
        ) from None


def _port(value: Any) -> int:
    if value is None:
        return 0
    text = str(value)
    if isinstance(value, int | str) and text.isdecimal() and text.isascii() and len(text) < 6 and 0 < int(text) < 65536:
        return int(text)
    raise SettingsRefused(f"The mail connection has port {text[:40]!r}; expected a number from 1 to 65535.")


def _trust(ca_file: Any) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    try:
        return trusting(str(ca_file))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SettingsRefused(
            f"The mail connection has ca_file {str(ca_file)[:200]!r}, which cannot be used ({reason})."
        ) from None


def _is_host(text: str) -> bool:
    """Whether it can be a host's name or address: nothing of an URL, nothing that cannot be seen."""
    plain = bool(text) and len(text) <= 255 and text.isprintable() and not any(char in " /@\\[]" for char in text)
    return plain and (":" not in text or is_address(text))


def _names_port(text: str) -> bool:
    """Whether it is a host with a port after it: `mail.example:993`, `[::1]:993`."""
    host, colon, port = text.rpartition(":")
    return bool(colon) and port.isdecimal() and _is_host(host.removeprefix("[").removesuffix("]"))
