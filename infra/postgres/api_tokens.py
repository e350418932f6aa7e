"""Tokens with which programs use the manager's API. The database knows the SHA-256 of each alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from infra.postgres.accounts import check_name
from infra.postgres.rows import rows_as
from infra.postgres.sessions import digest_of
from infra.postgres.statements import statement
from infra.roles import Role
from retinue.errors import NotAllowed, NotFound

#: Every token begins with it, so that whoever finds one somewhere knows what it is.
PREFIX = "retinue_"

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token stands for: `account_id` is the one account that it may see, None for all.

    `person_id` is whose it is, None where it is nobody's; `role` is never more than theirs.
    """

    token_id: int
    name: str
    role: Role
    account_id: int | None
    person_id: int | None
    person_role: Role | None

    def __post_init__(self) -> None:
        _lower_role(self)


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One token in a listing, without its secret, which nobody knows any more.

    `person_id` is whose it is, None if nobody's; it is disabled with them, and `role` is never more than theirs.
    """

    id: int
    name: str
    role: Role
    account_id: int | None
    account_name: str | None
    created_by: str
    person_id: int | None
    person_role: Role | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None
    is_expired: bool
    is_disabled: bool

    def __post_init__(self) -> None:
        _lower_role(self)

    @property
    def state(self) -> str:
        """`active`, `disabled`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.is_expired:
            return "expired"
        return "disabled" if self.is_disabled else "active"


def _lower_role(token: Bearer | TokenLine) -> None:
    bound = None if token.person_role is None else Role(token.person_role)
    object.__setattr__(token, "person_role", bound)
    object.__setattr__(token, "role", Role(token.role).at_most(bound))


def add_token(
    connection: psycopg.Connection,
    name: str,
    role: Role,
    *,
    created_by: str,
    person_id: int | None = None,
    account_id: int | None = None,
    lasts: timedelta | None = None,
) -> tuple[int, str]:
    """A new token, its ID and itself; it is shown once and kept nowhere. One without `lasts` never expires.

    `created_by` is whose name stands beside it, `person_id` whose it is.

    Raises:
        InvalidName: the name is empty, too long, or cannot be shown.
        NotAllowed: a token of one account is to be an admin's.
    """
    check_name(name)
    if account_id is not None and role is Role.ADMIN:
        raise NotAllowed("A token for one account is a viewer's or an operator's: admins say who may do what anywhere.")
    secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    params = {
        "name": name,
        "digest": digest_of(secret),
        "role": role,
        "account_id": account_id,
        "created_by": created_by,
        "person_id": person_id,
        "seconds": None if lasts is None else lasts.total_seconds(),
    }
    row = connection.execute(statement("add_api_token"), params).fetchone()
    assert row is not None  # noqa: S101 - an INSERT with RETURNING returns its row
    return int(row[0]), secret


def find_bearer(connection: psycopg.Connection, secret: str) -> Bearer | None:
    """Whom this token stands for; None where it is revoked, has expired, or never was."""
    found = rows_as(connection, Bearer, "find_api_token", {"digest": digest_of(secret)})
    return found[0] if found else None


def count_tokens(connection: psycopg.Connection, person_id: int) -> int:
    """How many tokens of this person have neither ended nor been revoked."""
    return int(connection.execute(statement("count_person_tokens"), {"person_id": person_id}).fetchall()[0][0])


def list_tokens(connection: psycopg.Connection, *, before: int | None = None, limit: int = 100) -> list[TokenLine]:
    """Tokens, the newest first, those whose ID is less than `before`, revoked ones too."""
    return rows_as(connection, TokenLine, "list_api_tokens", {"id": None, "before": before, "limit": limit})


def find_token(connection: psycopg.Connection, token_id: int) -> TokenLine:
    """The token of that ID.

    Raises:
        NotFound: there is none.
    """
    found = rows_as(connection, TokenLine, "list_api_tokens", {"id": token_id, "before": None, "limit": 1})
    if not found:
        raise NotFound(f"There is no token {token_id}. `retinue tokens list` shows all.")
    return found[0]


def revoke_token(connection: psycopg.Connection, token_id: int) -> TokenLine:
    """End a token for good, from the next request on.

    Raises:
        NotFound: there is none.
        NotAllowed: it was revoked already.
    """
    token = find_token(connection, token_id)
    if not connection.execute(statement("revoke_api_token"), {"id": token_id}).rowcount:
        raise NotAllowed(f"The token {token_id} ({token.name}) was revoked already.")
    return token
