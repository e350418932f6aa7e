"""Who is asking: the person of a session, the bearer of a token, or whoever knows a name and its password."""

from __future__ import annotations

from collections.abc import Callable

from flask import request
from werkzeug.exceptions import Forbidden

from infra.postgres.api_tokens import find_bearer
from infra.postgres.audit import ActorKind
from infra.postgres.sessions import find_session
from manager.away import AWAY, is_unreachable
from manager.credentials import Credentials
from manager.deps import Deps
from manager.roles import User
from manager.sessions import session_secret

#: What only reads: a name and password may do no more, nor may anybody while the database is away.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Identity:
    """Finds out who is asking, by the database; by what it last said while it is away."""

    def __init__(self, deps: Deps, credentials: Credentials) -> None:
        self._database = deps.database
        self._credentials = credentials
        self._remembered = deps.remembered

    def of_session(self) -> User | None:
        """The person whose session the browser has."""
        secret = session_secret()
        return self._known(secret, self._person) if secret is not None else None

    def of_program(self) -> User | None:
        """The token, or the name and password, that the request carries.

        Raises:
            TooManyRequests: somebody guessed wrong too often.
            Forbidden: a name and password are to change something.
        """
        given = request.authorization
        if given is None:
            return None
        if given.type == "bearer" and given.token:
            return self._known(given.token, self._bearer)
        if given.type == "basic":
            return self._by_password(given.username or "", given.password or "")
        return None

    def _known(self, secret: str, find: Callable[[str], User | None]) -> User | None:
        try:
            user = find(secret)
        except AWAY as error:
            user = self._remembered.get(secret)
            if user is None or request.method not in SAFE_METHODS or not is_unreachable(error):
                raise
            return user
        self._remembered.set(secret, user)
        return user

    def _person(self, secret: str) -> User | None:
        with self._database.transaction() as connection:
            found = find_session(connection, secret)
        return None if found is None else User(found.person_id, found.name, found.role)

    def _bearer(self, secret: str) -> User | None:
        with self._database.transaction() as connection:
            found = find_bearer(connection, secret)
        if found is None:
            return None
        return User(found.token_id, found.name, found.role, ActorKind.TOKEN, found.account_id, found.person_id)

    def _by_password(self, name: str, password: str) -> User | None:
        if request.method not in SAFE_METHODS:
            # A browser that knows the password would send it with a form of another site.
            raise Forbidden("A name and password are for reading alone. To change something, use a token.")
        try:
            return self._credentials.check(name, password)
        except AWAY as error:
            if not is_unreachable(error):
                raise
            return self._credentials.check_without_database(name, password)
