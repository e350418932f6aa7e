"""A client over a connection to the sandbox org, signed in as a customer's user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from retinue.connection import Connection
from servants.salesforce.client import Salesforce, open_client
from tests.support.salesforce_caller import Drawer, Ledger
from tests.support.sandbox_org import APP, USER, SandboxOrg


@dataclass(frozen=True)
class KeyPair:
    """An RSA key of a customer's app, in PEM."""

    private: str
    public: str


def key_pair() -> KeyPair:
    """A new one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(private.decode(), public.decode())


def tokens_of(org: SandboxOrg) -> dict[str, str]:
    """What the web flow gives."""
    granted = org.control.authorize(APP.client_id, USER.username)
    secret = APP.client_secret or ""
    return {"refresh_token": granted["refresh_token"], "client_secret": secret}


def connection_to(
    org: SandboxOrg,
    credentials: Mapping[str, str] | None = None,
    *,
    ledger: Ledger | None = None,
    config: Mapping[str, str] | None = None,
) -> Connection:
    """A connection that is kept in memory."""
    given = dict(tokens_of(org) if credentials is None else credentials)
    settings = {"login_url": org.url, "client_id": APP.client_id, "username": USER.username} | dict(config or {})
    return Connection(1, 1, "salesforce", "org", settings, given, calls=ledger or Ledger(), keeper=Drawer(given))


@contextmanager
def client_of(connection: Connection, **options: Any) -> Iterator[Salesforce]:
    """A client whose waits take no time."""
    with open_client(connection, pause=lambda _seconds: None, **options) as client:
        yield client
