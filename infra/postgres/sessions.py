"""Sessions of people in the manager. The browser has a secret; the database knows its SHA-256 alone."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import psycopg

from infra.postgres.rows import rows_as
from infra.postgres.statements import statement
from infra.roles import Role

_SECRET_BYTES = 32
_MAX_AGENT = 300


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person of a session."""

    person_id: int
    name: str
    role: Role

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", Role(self.role))


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One session as its person sees it."""

    id: int
    is_present: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str | None
    agent: str | None


def digest_of(secret: str) -> bytes:
    """What is kept of a secret. It is random and long, so that nothing slower is needed."""
    return hashlib.sha256(secret.encode()).digest()


def open_session(
    connection: psycopg.Connection, person_id: int, *, seconds: float, address: str | None, agent: str | None
) -> str:
    """Open a session that ends after so many seconds; its secret, which is nowhere else."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    connection.execute(statement("drop_expired_sessions"))
    params = {
        "digest": digest_of(secret),
        "person_id": person_id,
        "seconds": seconds,
        "address": address,
        "agent": agent[:_MAX_AGENT] if agent else None,
    }
    connection.execute(statement("open_session"), params)
    return secret


def find_session(connection: psycopg.Connection, secret: str) -> SignedIn | None:
    """Whose session this is; None where it has ended, or the person may not sign in any more."""
    found = rows_as(connection, SignedIn, "find_session", {"digest": digest_of(secret)})
    return found[0] if found else None


def live_sessions(connection: psycopg.Connection, digests: Collection[bytes]) -> dict[bytes, Role]:
    """Those of the sessions that have not ended, with the role that each gives now."""
    rows = connection.execute(statement("find_live_sessions"), {"digests": list(digests)})
    return {bytes(row[0]): Role(row[1]) for row in rows}


def list_sessions(connection: psycopg.Connection, person_id: int, *, present: bytes = b"") -> list[SessionLine]:
    """A person's sessions, the one used last first; `present` is the digest of the one that asks."""
    return rows_as(connection, SessionLine, "list_sessions", {"person_id": person_id, "digest": present})


def close_session(connection: psycopg.Connection, secret: str) -> bool:
    """End a session; False where there is none."""
    return connection.execute(statement("close_session"), {"digest": digest_of(secret)}).rowcount > 0


def close_sessions(
    connection: psycopg.Connection,
    person_id: int,
    *,
    session_id: int | None = None,
    kept_digest: bytes | None = None,
) -> int:
    """End a person's sessions, one of them, or all but one; how many there were."""
    params = {"person_id": person_id, "id": session_id, "kept_digest": kept_digest}
    return connection.execute(statement("close_sessions"), params).rowcount
