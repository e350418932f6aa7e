"""Whether the configured key opens what is stored, and what still depends on a retired one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from infra.doctor.check import Check, failed, ok, warning
from infra.postgres.account_keys import AccountKeys, Sealed, key_context
from infra.postgres.connections import context
from infra.postgres.statements import statement
from infra.secrets import Keyring, SecretError, has_bare_form
from infra.words import counted
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from infra.settings import Settings

#: Rows of a table looked at, by one call, and in all; opening one takes some 40 µs.
_PAGE = 500
_MOST = 10_000


@dataclass(slots=True)
class _Found:
    opened: int = 0
    retired: int = 0
    former: int = 0
    problems: list[str] = field(default_factory=list)


def stored_credentials(connection: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Open the credentials of every connection, or of the first 10,000; and see who wrapped the accounts' keys."""
    try:
        keyring = Keyring.from_settings(settings)
    except ConfigurationError as error:
        yield failed("secret key", error.message, "Set RETINUE_SECRET_KEY or RETINUE_SECRET_KEY_FILE.")
        return
    found = _Found()
    for row in _rows(connection, "read_sealed_credentials"):
        _look_at(found, keyring, *row)
    for account_id, wrapped in _rows(connection, "list_account_keys"):
        found.retired += not _is_current(keyring, account_id, wrapped)
    yield from _report(found)


def _look_at(
    found: _Found, keyring: Keyring, connection_id: int, account_id: int, credentials: bytes, wrapped: bytes | None
) -> None:
    try:
        AccountKeys(keyring).open(Sealed(account_id, credentials, wrapped), context=context(connection_id))
    except SecretError as error:
        found.problems.append(error.message)
    else:
        found.opened += 1
        found.former += not has_bare_form(credentials)


def _is_current(keyring: Keyring, account_id: int, wrapped: bytes) -> bool:
    try:
        return keyring.is_current(wrapped, context=key_context(account_id))
    except SecretError:
        # No such bytes were ever written here; the credentials that need them are told of as not to be opened.
        return True


def _report(found: _Found) -> Iterator[Check]:
    if found.problems:
        connections = counted(found.opened + len(found.problems), "connection")
        sentence = f"{len(found.problems)} of {connections} cannot be opened: {found.problems[0]}"
        yield failed("secret key", sentence, "Configure the key that sealed them, or enter the credentials anew.")
        return
    yield ok("secret key", f"It opens the credentials of {counted(found.opened, 'connection')}.")
    if found.retired:
        yield warning(
            "secret key",
            f"{counted(found.retired, 'data key')} of accounts wrapped by a retired key.",
            "Keep that key in RETINUE_SECRET_KEYS_RETIRED until `retinue connections reseal` has run.",
        )
    if found.former:
        yield warning(
            "secret key",
            f"{counted(found.former, 'connection')} sealed in the former way, without the account's data key.",
            "`retinue connections reseal` seals them anew; until then keep every key.",
        )


def _rows(connection: psycopg.Connection, name: str) -> Iterator[tuple[Any, ...]]:
    after = looked_at = 0
    while looked_at < _MOST:
        rows = connection.execute(statement(name), {"after": after, "limit": _PAGE}).fetchall()
        yield from rows
        if len(rows) < _PAGE:
            return
        after, looked_at = rows[-1][0], looked_at + len(rows)
