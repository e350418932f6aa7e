"""Names and passwords, and how hard it is to guess one.

A person whom the database knows is checked by the hash there. The settings' one user is the first admin: its password
is the settings' for as long as it has none of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

import psycopg

from infra import passwords
from infra.postgres import people
from infra.postgres.people import KeptPassword
from infra.roles import Role
from manager.deps import Deps
from manager.guesses import Guesses
from manager.roles import User


@dataclass(frozen=True, slots=True)
class Proven:
    """Somebody who has shown who they are; `password_hash` is what their password was held against, if there is one."""

    user: User
    password_hash: str | None = None

    def still_holds(self, connection: psycopg.Connection, person_id: int) -> bool:
        """Whether the person may sign in, and by the same password, until the transaction ends."""
        kept = people.lock_password(connection, person_id)
        return kept is not None and kept.disabled_at is None and kept.password_hash == self.password_hash


class Credentials:
    """Knows who may sign in with what."""

    def __init__(self, deps: Deps) -> None:
        self._database = deps.database
        self._remembered = deps.remembered
        self._refusals = deps.refusals
        #: What the settings' password is remembered by: nobody can send it.
        self._in_settings = secrets.token_urlsafe()
        self._first_admin = deps.settings.manager_user
        self._expected = _digest(self._first_admin, deps.settings.manager_password.get_secret_value())
        self._guesses = Guesses(deps.clock)

    def check(self, name: str, password: str) -> User | None:
        """Who this is, as `prove` tells."""
        proven = self.prove(name, password)
        return None if proven is None else proven.user

    def prove(self, name: str, password: str) -> Proven | None:
        """Who this is; None where the name or the password is wrong, and nothing tells which.

        The settings' user has no ID until it has signed in once.

        Raises:
            TooManyRequests: this address, or somebody for this name, guessed wrong too often and has to wait.
        """
        proven = self._guesses.judged(name, lambda: self._find(name, password))
        if proven is None:
            self._refusals.note_sign_in(name, by="password")
        return proven

    def check_without_database(self, name: str, password: str) -> User | None:
        """The settings' user, if its password opened something not long ago: for while the database is away.

        Raises:
            TooManyRequests: this address has to wait.
        """
        return self._guesses.judged(name, lambda: self._find_remembered(name, password))

    def _find(self, name: str, password: str) -> Proven | None:
        with self._database.transaction() as connection:
            kept = people.find_password(connection, name)
        if kept is not None and kept.password_hash is not None:
            self._forget_settings(kept)
            return self._by_hash(kept, kept.password_hash, password)
        user = self._by_settings(kept, name, password)
        return None if user is None else Proven(user)

    def _by_settings(self, kept: KeptPassword | None, name: str, password: str) -> User | None:
        found = self._find_in_settings(name, password)
        if found is None:
            passwords.verify_password(None, password)  # takes as long as for a name that somebody has
            return None
        found = found if kept is None else _unless_disabled(kept)
        self._remembered.set(self._in_settings, found)
        return found

    def _by_hash(self, kept: KeptPassword, password_hash: str, password: str) -> Proven | None:
        if not passwords.verify_password(password_hash, password):
            return None
        if passwords.is_outdated(password_hash):
            return self._by_fresh_hash(kept, password_hash, password)
        user = _unless_disabled(kept)
        return None if user is None else Proven(user, password_hash)

    def _by_fresh_hash(self, kept: KeptPassword, outdated: str, password: str) -> Proven | None:
        fresh = passwords.hash_again(password)
        with self._database.transaction() as connection:
            people.renew_hash(connection, kept.id, outdated=outdated, fresh=fresh)
        # Whatever is kept now is what counts: somebody else may have replaced it.
        return self._find(kept.name, password)

    def _find_in_settings(self, name: str, password: str) -> User | None:
        if hmac.compare_digest(_digest(name, password), self._expected):
            return User(None, self._first_admin, Role.ADMIN)
        return None

    def _find_remembered(self, name: str, password: str) -> User | None:
        return self._remembered.get(self._in_settings) if self._find_in_settings(name, password) else None

    def _forget_settings(self, kept: KeptPassword) -> None:
        """Somebody with a password of their own is not let in by the settings' one."""
        if kept.name.lower() == self._first_admin.lower():
            self._remembered.set(self._in_settings, None)


def _unless_disabled(kept: KeptPassword) -> User | None:
    return None if kept.disabled_at is not None else User(kept.id, kept.name, kept.role)


def _digest(user: str, password: str) -> bytes:
    """Of one length whatever the inputs, so that a comparison tells nothing of theirs; a user has no colon."""
    return hashlib.sha256(f"{user}:{password}".encode()).digest()
