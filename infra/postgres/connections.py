"""Connections: an account's authorised links to its providers, their credentials sealed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from infra.postgres.account_keys import AccountKeys, Sealed
from infra.postgres.accounts import check_name
from infra.postgres.breakers import close_by_hand, connection_scope
from infra.postgres.holds import connection_lane, release_holds
from infra.postgres.incidents import lock_incidents, request_probe, resolve_incidents
from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.redaction import mask_text, redact
from infra.secrets import Keyring
from retinue.connection import Connection
from retinue.errors import NotAllowed, NotFound
from retinue.holds import HoldKind

#: What a connection that works again releases its lanes from.
PARKED = (HoldKind.INCIDENT, HoldKind.PAUSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection:
    """A connection to be made. `config` may be shown to people, `credentials` may not."""

    account_id: int
    provider: str
    name: str
    config: Mapping[str, Any]
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    """One connection without its credentials. It is parked while a broken sign-in keeps one of its lanes paused.

    `breaker_reason` is why its breaker, or its provider's, is not closed; None where both are.
    """

    id: int
    account_id: int
    account_name: str
    provider: str
    name: str
    config: Any
    state: str
    problem: str | None
    created_at: datetime
    updated_at: datetime
    parked_at: datetime | None
    parked_reason: str | None
    breaker_reason: str | None


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """A connection as it is stored, but for its credentials."""

    id: int
    account_id: int
    provider: str
    name: str
    config: Any


@dataclass(frozen=True, slots=True)
class SealedConnection(StoredConnection):
    """The same with its credentials, sealed."""

    credentials: bytes = field(repr=False)
    wrapped_key: bytes | None = field(repr=False)

    @property
    def sealed(self) -> Sealed:
        """Its credentials as `AccountKeys` opens them."""
        return Sealed(self.account_id, self.credentials, self.wrapped_key)


def context(connection_id: int) -> str:
    """The place that the credentials of a connection are sealed for."""
    return f"connection:{connection_id}"


def add_connection(connection: psycopg.Connection, keyring: Keyring, new: NewConnection) -> int:
    """Make a connection, its credentials sealed for it alone; returns its ID.

    Raises:
        InvalidName: the name is empty, too long, or cannot be shown.
        NotAllowed: the account has one of this name at this provider, or it is being erased.
    """
    check_name(new.name)
    # The credentials are sealed for the ID, so that is taken before the row is made.
    (identity,) = connection.execute(statement("reserve_connection_id")).fetchone() or (0,)
    params = {
        "id": identity,
        "account_id": new.account_id,
        "provider": new.provider,
        "name": new.name,
        "config": Jsonb(dict(new.config)),
        "credentials": _seal(connection, keyring, new.account_id, identity, new.credentials),
    }
    if connection.execute(statement("add_connection"), params).fetchone() is None:
        raise _name_taken(new.account_id, new.provider, new.name)
    return int(identity)


def list_connections(
    connection: psycopg.Connection,
    *,
    account_id: int | None = None,
    connection_id: int | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[ConnectionLine]:
    """Connections in the order of their IDs, those beyond `after`."""
    params = {"account_id": account_id, "connection_id": connection_id, "after": after, "limit": limit}
    lines = rows_as(connection, ConnectionLine, "list_connections", params)
    return [
        replace(
            line,
            config=redact(line.config),
            problem=_masked(line.problem),
            parked_reason=_masked(line.parked_reason),
            breaker_reason=_masked(line.breaker_reason),
        )
        for line in lines
    ]


def read_connection(connection: psycopg.Connection, connection_id: int) -> StoredConnection:
    """A connection as it is stored, but for its credentials.

    Raises:
        NotFound: there is no such connection.
    """
    found = rows_as(connection, StoredConnection, "read_connection", {"id": connection_id})
    if not found:
        raise _no_connection(connection_id)
    return found[0]


def read_sealed_connection(connection: psycopg.Connection, connection_id: int) -> SealedConnection:
    """A connection as it is stored; the manager's role may not read this.

    Raises:
        NotFound: there is no such connection.
    """
    found = rows_as(connection, SealedConnection, "read_sealed_connection", {"id": connection_id})
    if not found:
        raise _no_connection(connection_id)
    return found[0]


def open_connection(connection: psycopg.Connection, keyring: Keyring, connection_id: int) -> Connection:
    """A connection with its credentials opened.

    Raises:
        NotFound: there is no such connection.
        SecretError: its credentials do not open.
    """
    sealed = read_sealed_connection(connection, connection_id)
    credentials = json.loads(AccountKeys(keyring).open(sealed.sealed, context=context(connection_id)))
    return Connection(sealed.id, sealed.account_id, sealed.provider, sealed.name, sealed.config, credentials)


def update_connection(
    connection: psycopg.Connection,
    keyring: Keyring,
    connection_id: int,
    *,
    config: Mapping[str, Any],
    credentials: Mapping[str, str],
) -> None:
    """Give a connection another `config`, and seal other credentials for it; an open incident is probed with them.

    The caller rings the bell.

    Raises:
        NotFound: there is no such connection.
        NotAllowed: the account is being erased.
    """
    known = read_connection(connection, connection_id)
    sealed = _seal(connection, keyring, known.account_id, connection_id, credentials)
    params = {"id": connection_id, "config": Jsonb(dict(config)), "credentials": sealed}
    lock_incidents(connection, connection_id)
    if connection.execute(statement("update_connection"), params).fetchone() is None:
        raise _no_connection(connection_id)
    request_probe(connection, connection_id)


def strip_connection(connection: psycopg.Connection, keyring: Keyring, connection_id: int) -> None:
    """Take a connection's credentials away; those that stand in their place are none.

    They carry a data key of their own: it must be possible where the account's cannot be had.

    Raises:
        NotFound: there is no such connection.
    """
    sealed = keyring.seal(b"{}", context=context(connection_id))
    lock_incidents(connection, connection_id)
    if not connection.execute(statement("store_credentials"), {"id": connection_id, "credentials": sealed}).rowcount:
        raise _no_connection(connection_id)


def change_settings(
    connection: psycopg.Connection, connection_id: int, *, name: str, config: Mapping[str, Any]
) -> None:
    """Give a connection another name and `config`, its credentials kept; an open incident is probed with them.

    The caller rings the bell.

    Raises:
        InvalidName: the name is empty, too long, or cannot be shown.
        NotAllowed: the account has another connection of this name at this provider.
        NotFound: there is no such connection.
    """
    check_name(name)
    known = read_connection(connection, connection_id)
    lock_incidents(connection, connection_id)
    params = {"id": connection_id, "name": name, "config": Jsonb(dict(config))}
    try:
        connection.execute(statement("change_connection"), params)
    except psycopg.errors.UniqueViolation:
        raise _name_taken(known.account_id, known.provider, name) from None
    request_probe(connection, connection_id)


def find_connection(connection: psycopg.Connection, account_id: int, provider: str, name: str) -> int | None:
    """The ID of the account's connection of this name, if there is one."""
    params = {"account_id": account_id, "provider": provider, "name": name}
    row = connection.execute(statement("find_connection"), params).fetchone()
    return None if row is None else int(row[0])


def mark_active(connection: psycopg.Connection, connection_id: int) -> list[str]:
    """Note that the connection works: resolve its incidents, close its breaker, resume its lanes; the types that go on.

    The caller rings the bell.
    """
    lock_incidents(connection, connection_id)
    connection.execute(statement("mark_connection_active"), {"id": connection_id})
    # Before any lane is locked, as where a breaker opens.
    lanes = close_by_hand(connection, connection_scope(connection_id))
    lanes += resolve_incidents(connection, connection_id, by="a test of the connection")
    lanes += release_holds(connection, PARKED, lane=connection_lane(connection_id))
    return sorted({job_type for job_type, _ in lanes})


def _seal(
    connection: psycopg.Connection,
    keyring: Keyring,
    account_id: int,
    connection_id: int,
    credentials: Mapping[str, str],
) -> bytes:
    value = json.dumps(dict(credentials)).encode()
    return AccountKeys(keyring).seal(connection, account_id, value, context=context(connection_id))


def _no_connection(connection_id: int) -> NotFound:
    return NotFound(f"There is no connection {connection_id}. `retinue connections list` shows all.")


def _name_taken(account_id: int, provider: str, name: str) -> NotAllowed:
    article = "an" if provider.startswith(("a", "e", "i", "o", "u")) else "a"
    return NotAllowed(
        f"Account {account_id} has {article} {provider} connection named {name!r} already: choose another name."
    )


def _masked(text: str | None) -> str | None:
    return None if text is None else mask_text(text)
