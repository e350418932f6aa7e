"""A test's database, which arranges and looks as the owner, and beside it as the manager enters it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property

from infra.postgres.connect import Database
from infra.postgres.logins import Login, ensure_logins


@cache
def logins_of(owner_url: str) -> Mapping[Login, str]:
    """The addresses of a database's login roles; those of the lent database are asked for once."""
    return ensure_logins(owner_url)


class ManagerDatabase(Database):
    """A pool of the operators' role, which is what the manager has."""

    def __init__(self, owner_url: str, *, max_connections: int = 4, away_seconds: float = 0) -> None:
        self.logins = logins_of(owner_url)
        super().__init__(
            self.logins[Login.OPERATOR],
            application_name="tests-manager",
            max_connections=max_connections,
            away_seconds=away_seconds,
        )


class OwnerDatabase(Database):
    """A pool of the owner; what is made of it for a manager has another role, and is closed with it."""

    def __init__(self, url: str, *, application_name: str, max_connections: int = 4, away_seconds: float = 0) -> None:
        super().__init__(
            url, application_name=application_name, max_connections=max_connections, away_seconds=away_seconds
        )
        self._max_connections = max_connections
        self._away_for = away_seconds

    @cached_property
    def manager(self) -> ManagerDatabase:
        """The same database for a manager."""
        return ManagerDatabase(self.url, max_connections=self._max_connections, away_seconds=self._away_for)

    def close(self) -> None:
        """Close every connection, the manager's too."""
        if "manager" in self.__dict__:
            self.manager.close()
        super().close()


def as_manager(database: Database) -> Database:
    """The pool for a manager on this database: beside an owner's there is one; any other is what it is."""
    return database.manager if isinstance(database, OwnerDatabase) else database
