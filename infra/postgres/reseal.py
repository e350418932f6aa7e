"""Rotation: seals the stored credentials under the current key, so that a retired one can be thrown away."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from infra.postgres.connections import context
from infra.secrets import Keyring, SecretError

#: Connections read at a time.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many connections were sealed anew, and which could not be opened, each with its reason."""

    resealed: int
    problems: tuple[str, ...]


def reseal_connections(connection: psycopg.Connection, keyring: Keyring) -> Resealed:
    """Seal under the current key whatever a retired one sealed, in the caller's transaction."""
    resealed, problems, last = 0, list[str](), 0
    while rows := _next(connection, last):
        last = rows[-1][0]
        for identity, sealed in rows:
            try:
                resealed += _reseal(connection, keyring, identity, sealed)
            except SecretError as error:
                problems.append(error.message)
    return Resealed(resealed, tuple(problems))


def _next(connection: psycopg.Connection, last: int) -> list[tuple[int, bytes]]:
    query = "SELECT id, credentials FROM connections WHERE id > %s ORDER BY id LIMIT %s"
    return connection.execute(query, (last, BATCH)).fetchall()


def _reseal(connection: psycopg.Connection, keyring: Keyring, identity: int, sealed: bytes) -> int:
    """1 if the row was written. A password that was changed meanwhile is left alone: it has the current key already."""
    if not keyring.needs_reseal(sealed):
        return 0
    anew = keyring.reseal(sealed, context=context(identity))
    query = "UPDATE connections SET credentials = %s WHERE id = %s AND credentials = %s"
    return connection.execute(query, (anew, identity, sealed)).rowcount
