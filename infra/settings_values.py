"""Checks of single settings. Each returns the value to use, or raises ValueError with what is wrong with the one given.

No message repeats a value that may hold a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from infra.keys import Key, parse_keys
from infra.roles import Role
from retinue.errors import ConfigurationError
from retinue.servant import TYPE_PATTERN

MAX_SERVANTS = 1000
_URL_START = "postgresql://"


def absolute(path: Path) -> Path:
    """`path` from the root on, because other programs of the stack have other working directories."""
    return path.expanduser().absolute()


def postgresql_url(value: str) -> str:
    """`value` as a URL that libpq reads. SQLAlchemy's `postgresql+psycopg://` is taken too."""
    url = value.replace("postgresql+psycopg://", _URL_START, 1)
    if not url.startswith(_URL_START):
        raise ValueError("must begin with postgresql:// or postgresql+psycopg://")
    port = str(_libpq_parameters(url).get("port", ""))
    if any(not part.isdecimal() or not 0 < int(part) < 65_536 for part in port.split(",") if part):
        # Not shown: with a / in the password it is a part of that.
        raise ValueError("has a port that is no number from 1 to 65535; write / in a password as %2F, @ as %40")
    return url


def _libpq_parameters(url: str) -> Mapping[str, object]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        return conninfo_to_dict(url)
    except ProgrammingError as error:
        reason = str(error).partition('"')[0].strip(" :\n")  # what follows may quote the password
        raise ValueError(
            f"is no URL that PostgreSQL's library reads: {reason} (in a password write % as %25, @ as %40, / as %2F)"
        ) from None


def port_or_off(value: object) -> object:
    """A port, 0 for a free one, or the word `off`."""
    text = str(value).strip().lower()
    if text == "off":
        return text
    if not text.isdecimal() or int(text) > 65_535:
        raise ValueError("must be a port from 0 to 65535, or off")
    return int(text)


def http_url(value: str) -> str:
    """`value` as the address of a server, without a slash at its end."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # its message may quote a password as the port
        usable = False
    if not usable:
        raise ValueError("must be http://HOST:PORT or https://HOST:PORT")
    if "@" in value:
        raise ValueError("must not hold a user or password")
    return value.rstrip("/")


def smtp_url(value: SecretStr) -> SecretStr:
    """`value` as the address of a mail server; a user and a password in it are percent-encoded."""
    try:
        parts = urlsplit(value.get_secret_value())
        usable = parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0
        usable = usable and not parts.path.strip("/") and not parts.query and not parts.fragment
    except ValueError:  # its message may quote a password as the port
        usable = False
    if not usable:
        raise ValueError("must be smtps://USER:PASSWORD@HOST:PORT or smtp://USER:PASSWORD@HOST:PORT")
    return value


def sender(value: str) -> str:
    """`value` as the sender of a letter: an address, with a name before it or without."""
    _, address = parseaddr(value)
    name, _, domain = address.rpartition("@")
    if not value.isprintable() or not name or not domain:
        raise ValueError("must be ADDRESS or NAME <ADDRESS>")
    return value


def servant_counts(value: object) -> object:
    """`calendar.sync=2,system.echo=1` as a dict; a dict is taken as it is."""
    if not isinstance(value, str):
        return value
    counts: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, count = _servant_count(part)
        if name in counts:
            raise ValueError(f"names {name} twice")
        counts[name] = count
    return counts


def _servant_count(part: str) -> tuple[str, int]:
    name, equals, count = (piece.strip() for piece in part.partition("="))
    if not TYPE_PATTERN.fullmatch(name):
        raise ValueError(f"has {name!r} as a type, which must be lower-case words joined by dots")
    if not equals or not count.isdecimal() or int(count) > MAX_SERVANTS:
        raise ValueError(f"has {part!r}, which must be TYPE=COUNT with a count from 0 to {MAX_SERVANTS}")
    return name, int(count)


def roles_of_groups(value: object) -> object:
    """`sre=admin,staff=viewer` as a dict; a dict is taken as it is."""
    if not isinstance(value, str):
        return value
    roles: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        # A group's name may hold equals signs.
        group, equals, role = (piece.strip() for piece in part.rpartition("="))
        if not equals or not group or role not in set(Role):
            raise ValueError(f"has {part!r}, which must be GROUP=ROLE with {', '.join(Role)} as the role")
        roles[group] = role
    return roles


def check_key(value: SecretStr) -> SecretStr:
    """`value`, which is one well-formed key."""
    try:
        Key.parse(value.get_secret_value())
    except ConfigurationError as error:
        raise ValueError(error.message) from None
    return value


def check_keys(value: SecretStr) -> SecretStr:
    """`value`, which is well-formed keys joined by commas."""
    try:
        parse_keys(value.get_secret_value().split(","))
    except ConfigurationError as error:
        raise ValueError(error.message) from None
    return value
