"""The stored credentials of connections, as jobs open them, and renew them where a provider gives them for a time.

A provider that hands out a new refresh token withdraws the one before: whoever renews must be alone, and must have
stored the new one before anybody else reads the old. So a renewal holds an advisory lock from reading the credentials
until the new ones are committed. It is no lock on the row, because whoever settles a job of the connection writes that
row and may not wait for a provider. A person who enters other credentials meanwhile wins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import closing

import psycopg

from infra.postgres.account_keys import AccountKeys, Sealed
from infra.postgres.connect import DatabaseUnreachable, connect, unreachable
from infra.postgres.connections import context, read_sealed_connection
from infra.postgres.statements import statement
from infra.secrets import Keyring, SecretError
from retinue.connection import Renewal
from retinue.errors import CredentialError, NotFound, PermanentError, TransientError

APPLICATION_NAME = "retinue-credentials"

#: How long to wait for another's renewal of the same connection, in seconds.
WAIT_SECONDS = 60

#: Seconds to wait before storing what was made is tried again: the provider may not give it twice.
STORE_PAUSES = (0.5, 2.0, 5.0)


class Vault:
    """Opens, renews and stores credentials. It has connections of its own, so that a renewal takes none of a pool's."""

    def __init__(self, url: str, keyring: Keyring, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._url = url
        self._keys = AccountKeys(keyring)
        self._wait_seconds = wait_seconds

    def open(self, connection_id: int, sealed: Sealed) -> dict[str, str]:
        """What was sealed for this connection.

        Raises:
            CredentialError: it does not open.
        """
        try:
            opened: dict[str, str] = json.loads(self._keys.open(sealed, context=context(connection_id)))
        except SecretError as error:
            raise CredentialError(f"the credentials of connection {connection_id} cannot be opened: {error}") from error
        return opened

    def renew(self, connection_id: int, renewal: Renewal) -> Mapping[str, str]:
        """See `retinue.Connection.renew`. What `renewal` raises goes through, and nothing is written."""
        # Closing it ends the lock, also where the server has gone away.
        with closing(connect(self._url, application_name=APPLICATION_NAME)) as guard:
            self._lock(guard, connection_id)
            known = self.open(connection_id, _read(guard, connection_id))
            made = renewal(known)
            return known if made == known else self._keep(connection_id, known, made)

    def _lock(self, guard: psycopg.Connection, connection_id: int) -> None:
        guard.execute("SELECT set_config('lock_timeout', %s, true)", (f"{self._wait_seconds * 1000:.0f}",))
        try:
            guard.execute(statement("lock_credentials"), {"connection_id": connection_id})
        except psycopg.errors.LockNotAvailable:
            raise TransientError(
                f"another servant has been renewing the credentials of connection {connection_id} "
                f"for more than {self._wait_seconds:g} s"
            ) from None

    def _keep(self, connection_id: int, known: Mapping[str, str], made: Mapping[str, str]) -> Mapping[str, str]:
        for pause in STORE_PAUSES:
            try:
                return self._store(connection_id, known, made)
            except (psycopg.OperationalError, DatabaseUnreachable):
                time.sleep(pause)
        try:
            return self._store(connection_id, known, made)
        except psycopg.OperationalError as error:
            raise unreachable(self._url, error) from error

    def _store(self, connection_id: int, known: Mapping[str, str], made: Mapping[str, str]) -> Mapping[str, str]:
        """Store what was made of `known`, unless something else was stored meanwhile; returns what is stored then."""
        with connect(self._url, application_name=APPLICATION_NAME) as connection:
            row = connection.execute(statement("lock_connection"), {"id": connection_id}).fetchone()
            if row is None:
                raise PermanentError(f"connection {connection_id} was deleted")
            # By content, for it may have been sealed anew under another key. An earlier try may have stored ours.
            account_id, credentials, wrapped_key = row
            stored = self.open(connection_id, Sealed(account_id, credentials, wrapped_key))
            if stored != known:
                return stored
            value = json.dumps(dict(made)).encode()
            sealed = self._keys.seal(connection, account_id, value, context=context(connection_id))
            connection.execute(statement("store_credentials"), {"id": connection_id, "credentials": sealed})
            return made


def _read(connection: psycopg.Connection, connection_id: int) -> Sealed:
    try:
        return read_sealed_connection(connection, connection_id).sealed
    except NotFound as error:
        raise PermanentError(error.message) from error
