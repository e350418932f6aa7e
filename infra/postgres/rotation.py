"""Rotation of the master key: wraps the accounts' data keys under the current one, so that a retired one can go.

Values that were sealed before accounts had data keys, each with one of its own, are sealed under the account's on the
way. Whoever opens or stores credentials meanwhile is not disturbed: the data keys stay as they are, and what was stored
meanwhile is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from infra.postgres.account_keys import AccountKeys, Sealed, key_context
from infra.postgres.connections import context
from infra.postgres.statements import statement
from infra.secrets import Keyring, SecretError, has_bare_form
from retinue.errors import NotAllowed

#: Rows that are read, and written, in one transaction.
BATCH = 500


@dataclass(slots=True)
class Rotated:
    """How many data keys were wrapped anew, how many credentials sealed anew, and why some could not be."""

    keys: int = 0
    credentials: int = 0
    problems: list[str] = field(default_factory=list)


def rotate(connection: psycopg.Connection, keyring: Keyring) -> Rotated:
    """Bring everything under the current key, batch by batch; `connection` is in autocommit mode.

    What is stopped half-way goes on when it is called again.
    """
    done = Rotated()
    for rows in _batches(connection, "list_account_keys"):
        with connection.transaction():
            done.keys += sum(_tried(done, _rewrap, connection, keyring, row) for row in rows)
    for rows in _batches(connection, "read_sealed_credentials"):
        with connection.transaction():
            done.credentials += sum(_tried(done, _reseal, connection, keyring, row) for row in rows)
    return done


def _batches(connection: psycopg.Connection, name: str) -> Iterator[list[tuple[Any, ...]]]:
    after = 0
    while rows := connection.execute(statement(name), {"after": after, "limit": BATCH}).fetchall():
        yield rows
        after = rows[-1][0]


_Step = Callable[[psycopg.Connection, Keyring, tuple[Any, ...]], int]


def _tried(done: Rotated, step: _Step, connection: psycopg.Connection, keyring: Keyring, row: tuple[Any, ...]) -> int:
    try:
        return step(connection, keyring, row)
    except (SecretError, NotAllowed) as error:
        done.problems.append(error.message)
        return 0


def _rewrap(connection: psycopg.Connection, keyring: Keyring, row: tuple[Any, ...]) -> int:
    """1 if the row was written. A key that was deleted or wrapped anew meanwhile is left alone."""
    account_id, wrapped = row
    if keyring.is_current(wrapped, context=key_context(account_id)):
        return 0
    anew = keyring.rewrap(wrapped, context=key_context(account_id))
    params = {"account_id": account_id, "wrapped": wrapped, "anew": anew}
    return connection.execute(statement("rewrap_account_key"), params).rowcount


def _reseal(connection: psycopg.Connection, keyring: Keyring, row: tuple[Any, ...]) -> int:
    connection_id, account_id, credentials, wrapped = row
    if has_bare_form(credentials):
        return 0
    keys, place = AccountKeys(keyring), context(connection_id)
    value = keys.open(Sealed(account_id, credentials, wrapped), context=place)
    anew = keys.seal(connection, account_id, value, context=place)
    params = {"id": connection_id, "credentials": credentials, "anew": anew}
    return connection.execute(statement("reseal_credentials"), params).rowcount
