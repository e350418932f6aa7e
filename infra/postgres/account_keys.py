"""Data keys of accounts: whatever of an account is sealed in the database is sealed and opened here.

Each account has one data key, in `account_keys`, wrapped by the master key. Whoever deletes it makes all that is sealed
of the account unreadable for ever, wherever copies of the rows are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

from infra.postgres.statements import statement
from infra.secrets import DataKey, Keyring, SecretError, has_bare_form
from retinue.errors import NotAllowed


def key_context(account_id: int) -> str:
    """The place that the data key of an account is wrapped for."""
    return f"account:{account_id}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed value as it is stored, and the account's wrapped data key beside it; None where there is none."""

    account_id: int
    value: bytes = field(repr=False)
    wrapped_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """Seals and opens with the data keys that this keyring unwraps. Nothing is kept between two calls."""

    keyring: Keyring

    def open(self, sealed: Sealed, *, context: str) -> bytes:
        """The value that was sealed for `context`, also where it was sealed before accounts had data keys.

        Raises:
            SecretError: the account's data key is gone or does not unwrap, or the value was altered or moved.
        """
        if not has_bare_form(sealed.value):
            return self.keyring.open(sealed.value, context=context)
        if sealed.wrapped_key is None:
            raise SecretError(
                f"The secret of {context} cannot be opened: account {sealed.account_id} has no data key any more. "
                "Enter the secret anew."
            )
        return self._unwrap(sealed.account_id, sealed.wrapped_key, context).open(sealed.value, context=context)

    def seal(self, connection: psycopg.Connection, account_id: int, value: bytes, *, context: str) -> bytes:
        """`value` sealed for `context` under the account's data key, which is made where there is none yet.

        Raises:
            NotAllowed: there is no such account, or it is being erased.
            SecretError: the account's data key does not unwrap.
        """
        wrapped = _read(connection, account_id) or self._make(connection, account_id)
        return self._unwrap(account_id, wrapped, context).seal(value, context=context)

    def replace_lost(self, connection: psycopg.Connection, account_id: int) -> None:
        """Give the account a new data key in place of one that the keyring does not unwrap.

        What the old one sealed is given up, and has to be entered anew.

        Raises:
            NotAllowed: the keyring unwraps it, there is no such account, or it is being erased.
        """
        wrapped = _read(connection, account_id)
        if wrapped is not None and self._unwraps(account_id, wrapped):
            raise NotAllowed(
                f"The data key of account {account_id} is at hand: a new one would only lose what it sealed."
            )
        connection.execute(statement("delete_account_key"), {"account_id": account_id})
        self._make(connection, account_id)

    def _make(self, connection: psycopg.Connection, account_id: int) -> bytes:
        params = {"account_id": account_id, "wrapped": self.keyring.new_data_key(context=key_context(account_id))}
        connection.execute(statement("add_account_key"), params)
        # Somebody else may have made it meanwhile: whichever is stored is the key.
        wrapped = _read(connection, account_id)
        if wrapped is None:
            raise NotAllowed(
                f"Account {account_id} can hold no secrets: there is no such account, or it is being erased."
            )
        return wrapped

    def _unwrap(self, account_id: int, wrapped: bytes, context: str) -> DataKey:
        try:
            return self.keyring.unwrap(wrapped, context=key_context(account_id))
        except SecretError as error:
            told = f"{error.message} It is the account's data key, and {context} needs it."
            raise SecretError(f"{told} `retinue accounts new-key {account_id}` gives up a key that is lost.") from error

    def _unwraps(self, account_id: int, wrapped: bytes) -> bool:
        try:
            self.keyring.unwrap(wrapped, context=key_context(account_id))
        except SecretError:
            return False
        return True


def _read(connection: psycopg.Connection, account_id: int) -> bytes | None:
    row = connection.execute(statement("read_account_key"), {"account_id": account_id}).fetchone()
    return None if row is None else bytes(row[0])
