"""Whether the configured key opens what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg

from infra.doctor.check import Check, failed, ok, warning
from infra.postgres.connections import context
from infra.postgres.statements import statement
from infra.secrets import Keyring, SecretError
from infra.words import counted
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from infra.settings import Settings

#: Connections looked at, by one call, and in all; opening one takes some 20 µs.
_PAGE = 500
_MOST = 10_000


def stored_credentials(connection: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """Open the credentials of every connection, or of the first 10,000."""
    try:
        keyring = Keyring.from_settings(settings)
    except ConfigurationError as error:
        yield failed("secret key", error.message, "Set RETINUE_SECRET_KEY or RETINUE_SECRET_KEY_FILE.")
        return
    opened, retired, problems = 0, 0, []
    for identity, sealed in _sealed(connection):
        try:
            keyring.open(sealed, context=context(identity))
        except SecretError as error:
            problems.append(error.message)
        else:
            opened += 1
            retired += keyring.needs_reseal(sealed)
    yield from _report(opened, retired, problems)


def _report(opened: int, retired: int, problems: list[str]) -> Iterator[Check]:
    if problems:
        sentence = f"{len(problems)} of {counted(opened + len(problems), 'connection')} cannot be opened: {problems[0]}"
        yield failed("secret key", sentence, "Configure the key that sealed them, or enter the credentials anew.")
        return
    yield ok("secret key", f"It opens the credentials of {counted(opened, 'connection')}.")
    if retired:
        yield warning(
            "secret key",
            f"{counted(retired, 'connection')} sealed with a retired key.",
            "Keep that key in RETINUE_SECRET_KEYS_RETIRED.",
        )


def _sealed(connection: psycopg.Connection) -> Iterator[tuple[int, bytes]]:
    after = looked_at = 0
    while looked_at < _MOST:
        params = {"after": after, "limit": _PAGE}
        rows = connection.execute(statement("read_sealed_credentials"), params).fetchall()
        yield from rows
        if len(rows) < _PAGE:
            return
        after, looked_at = rows[-1][0], looked_at + len(rows)
