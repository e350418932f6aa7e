"""People who may sign in to the manager: their roles and passwords."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import psycopg

from infra.postgres.accounts import check_name
from infra.postgres.rows import rows_as
from infra.postgres.sessions import close_sessions
from infra.postgres.statements import statement
from infra.roles import Role
from retinue.errors import NotAllowed, NotFound

#: What `find_person.sql` looks for when a name is no number: nobody has it.
_NO_ID = -1


@dataclass(frozen=True, slots=True)
class Person:
    """One person. `oidc_issuer` is the identity provider that knows them, None where Retinue does."""

    id: int
    name: str
    role: Role
    has_password: bool
    oidc_issuer: str | None
    created_at: datetime
    password_set_at: datetime | None
    signed_in_at: datetime | None
    disabled_at: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", Role(self.role))


@dataclass(frozen=True, slots=True)
class KeptPassword:
    """What a sign-in is checked against; `password_hash` is None for people whose password is not kept here."""

    id: int
    name: str
    role: Role
    password_hash: str | None
    disabled_at: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", Role(self.role))


def add_person(connection: psycopg.Connection, name: str, role: Role, *, password_hash: str | None) -> Person:
    """A new person, who signs in with a password.

    Raises:
        InvalidName: the name is empty, too long, or cannot be shown.
        NotAllowed: somebody has this name, whatever the case of its letters.
    """
    check_name(name)
    if ":" in name:
        raise NotAllowed("A person's name has no colon: HTTP Basic ends the name there.")
    made = _people(connection, "add_person", name=name, role=role, password_hash=password_hash)
    if not made:
        raise NotAllowed(f"There is a person named {name!r} already.")
    return made[0]


def ensure_person(connection: psycopg.Connection, name: str, role: Role) -> Person:
    """The person of this name, who is made without a password where there is none."""
    made = _people(connection, "add_person", name=name, role=role, password_hash=None)
    return made[0] if made else find_person(connection, name)


def admit_oidc_person(
    connection: psycopg.Connection, *, issuer: str, subject: str, name: str, role: Role
) -> tuple[Person, Role | None]:
    """The person whom the identity provider knows by `subject`, with the role it gives, and the one before.

    The role before is None for somebody who is made now. A name that somebody else has already is told apart by the
    subject.
    """
    known = {"issuer": issuer, "subject": subject}
    for offered in (name, f"{name} ({subject})"[:200]):
        try:
            with connection.transaction():
                made = _people(connection, "add_oidc_person", name=offered, role=role, **known)
        except psycopg.errors.UniqueViolation:
            continue
        if made:
            return made[0], None
        (found,) = _people(connection, "lock_oidc_person", **known)
        connection.execute(statement("set_person_role"), {"id": found.id, "role": role})
        return replace(found, role=role), found.role
    raise NotAllowed(f"There are people named {name!r} already.")


def list_people(connection: psycopg.Connection, *, before: int | None = None, limit: int = 100) -> list[Person]:
    """People, the newest first, those whose ID is less than `before`."""
    return _people(connection, "list_people", before=before, limit=limit)


def find_person(connection: psycopg.Connection, name_or_id: str | int) -> Person:
    """The person of that ID, or else of that name.

    Raises:
        NotFound: there is none.
    """
    text = str(name_or_id)
    is_number = text.isdecimal() and len(text) < 19
    found = _people(connection, "find_person", id=int(text) if is_number else _NO_ID, name=text)
    if not found:
        raise NotFound(f"There is no person {text!r}. `retinue users list` shows all, `retinue users add` makes one.")
    return min(found, key=lambda person: str(person.id) != text)


def find_name(connection: psycopg.Connection, name: str) -> tuple[int, str] | None:
    """The ID of whoever has this name, and how it is written; None where nobody has it."""
    row = connection.execute(statement("find_name"), {"name": name}).fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def find_password(connection: psycopg.Connection, name: str) -> KeptPassword | None:
    """What a sign-in by this name is checked against."""
    found = rows_as(connection, KeptPassword, "find_password", {"name": name})
    return found[0] if found else None


def lock_password(connection: psycopg.Connection, person_id: int) -> KeptPassword | None:
    """The same of one person, as it is until the transaction ends."""
    found = rows_as(connection, KeptPassword, "lock_password", {"id": person_id})
    return found[0] if found else None


def set_role(connection: psycopg.Connection, person_id: int, role: Role) -> bool:
    """Change what a person may do, from the next request on. False where it is their role already.

    Raises:
        NotAllowed: nobody would be left who can say who may do what.
    """
    if role is not Role.ADMIN:
        _keep_an_admin(connection, person_id)
    return connection.execute(statement("set_person_role"), {"id": person_id, "role": role}).rowcount > 0


def set_password(
    connection: psycopg.Connection, person_id: int, password_hash: str, *, kept_digest: bytes | None = None
) -> None:
    """Give a person a password; all their sessions end, but the one with `kept_digest`.

    Raises:
        NotAllowed: the person signs in at an identity provider.
    """
    params = {"id": person_id, "password_hash": password_hash}
    if not connection.execute(statement("set_password"), params).rowcount:
        raise NotAllowed("This person signs in at the identity provider, and has no password here.")
    close_sessions(connection, person_id, kept_digest=kept_digest)


def renew_hash(connection: psycopg.Connection, person_id: int, *, outdated: str, fresh: str) -> bool:
    """Keep a password by another hash; False where a person has another password, or hash, meanwhile."""
    params = {"id": person_id, "outdated": outdated, "fresh": fresh}
    return connection.execute(statement("renew_password_hash"), params).rowcount > 0


def disable_person(connection: psycopg.Connection, person_id: int) -> bool:
    """Let a person in no more; their sessions end. False where that is so already.

    Raises:
        NotAllowed: nobody would be left who can say who may do what.
    """
    _keep_an_admin(connection, person_id)
    disabled = connection.execute(statement("disable_person"), {"id": person_id}).rowcount > 0
    close_sessions(connection, person_id)
    return disabled


def enable_person(connection: psycopg.Connection, person_id: int) -> bool:
    """Let a person in again. False where they are already."""
    return connection.execute(statement("enable_person"), {"id": person_id}).rowcount > 0


def note_sign_in(connection: psycopg.Connection, person_id: int) -> None:
    """Write down that a person has signed in now."""
    connection.execute(statement("note_sign_in"), {"id": person_id})


def _keep_an_admin(connection: psycopg.Connection, leaving: int) -> None:
    """Two admins who demote each other at the same moment take turns here."""
    admins = {row[0] for row in connection.execute(statement("lock_admins"))}
    if admins == {leaving}:
        raise NotAllowed("This is the last admin: make somebody else one first.")


def _people(connection: psycopg.Connection, statement_name: str, **params: object) -> list[Person]:
    return rows_as(connection, Person, statement_name, params)
