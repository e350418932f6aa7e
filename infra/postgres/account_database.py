"""Database sessions that are bound to one account, whatever is asked in them.

with accounts.session(principal) as connection:
    connection.execute("SELECT subject FROM mail_messages")  # of this account; masked, if it is assumed

The server binds them, not this code: row-level security asks which account belongs to the secret that the session
names, and whether it still holds. Statements name tables without their schema: an assumed session finds the masking
view of that name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from infra.postgres.connect import Database
from infra.postgres.logins import SEARCH_PATHS, Login
from infra.postgres.statements import statement
from infra.principal import Mode, Principal

#: Connections for each mode.
MAX_CONNECTIONS = 4

#: What each mode logs in as.
_LOGINS = {Mode.SELF: Login.MEMBER, Mode.ASSUMED: Login.SUPPORT}


class AccountDatabase:
    """The sessions of members, and of operators who have assumed an account. Nothing is opened before it is needed."""

    def __init__(
        self, logins: Mapping[Login, str], *, application_name: str, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        """`logins` are the addresses that `ensure_logins` gives."""
        self._logins = logins
        self._application_name = application_name
        self._max_connections = max_connections
        self._databases: dict[Mode, Database] = {}
        self._opening = threading.Lock()

    @contextmanager
    def session(self, principal: Principal) -> Iterator[psycopg.Connection]:
        """A read-only transaction that sees the principal's account; nothing at all once the principal has expired.

        Raises:
            DatabaseUnreachable: no connection could be had in time.
        """
        with self._database(principal.mode).transaction() as connection:
            connection.execute(statement("bind_principal"), _binding(principal))
            yield connection

    def close(self) -> None:
        """Close every connection."""
        with self._opening:
            for database in self._databases.values():
                database.close()
            self._databases.clear()

    def _database(self, mode: Mode) -> Database:
        with self._opening:
            if mode not in self._databases:
                self._open()
            return self._databases[mode]

    def _open(self) -> None:
        for mode, login in _LOGINS.items():
            self._databases[mode] = Database(
                self._logins[login],
                application_name=f"{self._application_name}-{mode}",
                max_connections=self._max_connections,
            )


def _binding(principal: Principal) -> dict[str, str]:
    return {"secret": principal.secret, "search_path": SEARCH_PATHS[_LOGINS[principal.mode]]}
