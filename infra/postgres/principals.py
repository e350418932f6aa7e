"""Principals: whose secret it is that a browser has, which account it opens, and in which mode."""

from __future__ import annotations

import secrets

import psycopg

from infra.postgres.sessions import digest_of
from infra.postgres.statements import statement
from infra.principal import MemberRole, Mode, Principal

_SECRET_BYTES = 32

#: A member's session ends this long after signing in, in seconds.
SESSION_SECONDS = 12 * 3600


def open_member_session(connection: psycopg.Connection, member_id: int, *, seconds: float = SESSION_SECONDS) -> str:
    """Open a session for a member; its secret, which is nowhere else."""
    return _open(connection, "open_member_session", member_id=member_id, seconds=seconds)


def open_visit_session(connection: psycopg.Connection, visit_id: int) -> str:
    """Open the session of a visit that has begun, for as long as the visit lasts; its secret."""
    return _open(connection, "open_visit_session", visit_id=visit_id)


def find_principal(connection: psycopg.Connection, secret: str) -> Principal | None:
    """Who has this secret; None where it is nobody's, or no more."""
    row = connection.execute(statement("find_principal"), {"digest": digest_of(secret)}).fetchone()
    if row is None:
        return None
    mode, account_id, account_name, expires_at, person_id, name, role, visit_id = row
    return Principal(
        mode=Mode(mode),
        account_id=account_id,
        account_name=account_name,
        id=person_id,
        name=name,
        role=MemberRole(role),
        expires_at=expires_at,
        secret=secret,
        visit_id=visit_id,
    )


def close_principal(connection: psycopg.Connection, secret: str) -> None:
    """End the session of this secret."""
    connection.execute(statement("close_account_session"), {"digest": digest_of(secret)})


def _open(connection: psycopg.Connection, name: str, **params: float) -> str:
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    connection.execute(statement("drop_expired_account_sessions"))
    connection.execute(statement(name), params | {"digest": digest_of(secret)})
    return secret
