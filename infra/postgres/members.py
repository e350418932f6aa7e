"""Members: the people of an account, who are invited by a link, and sign in with a password of their own."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime

import psycopg

from infra.postgres.accounts import check_name
from infra.postgres.rows import rows_as
from infra.postgres.sessions import digest_of
from infra.postgres.statements import statement
from infra.principal import MemberRole
from retinue.errors import NotAllowed, NotFound

#: An invitation is good for this long, in days.
INVITATION_DAYS = 7

_SECRET_BYTES = 32

# Enough to tell an address from a slip; whether it exists, the invitation tells.
_EMAIL = re.compile(r"[^@\s<>\"',;:()]{1,64}@[^@\s<>\"',;:()]{1,189}")


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of an account. `joined_at` is None for one who was invited and has not come yet."""

    id: int
    account_id: int
    email: str
    name: str
    role: MemberRole
    invited_by: str
    created_at: datetime
    joined_at: datetime | None
    signed_in_at: datetime | None
    disabled_at: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", MemberRole(self.role))


@dataclass(frozen=True, slots=True)
class Invitation:
    """A member, and the secret of the link by which they choose a password within `days`; it is nowhere else."""

    member: Member
    secret: str
    days: int = INVITATION_DAYS


@dataclass(frozen=True, slots=True)
class KeptMember:
    """What a sign-in is checked against."""

    id: int
    account_id: int
    name: str
    password_hash: str | None
    disabled_at: datetime | None


def invite_member(
    connection: psycopg.Connection, account_id: int, *, email: str, name: str, role: MemberRole, by: str
) -> Invitation:
    """A new member, or a new link for one who has not come yet; links given before stop working.

    Raises:
        NotFound: there is no such account.
        InvalidName: the name is empty, too long, or cannot be shown.
        NotAllowed: this is no address, or somebody has it who came already, or in another account.
    """
    check_name(name)
    if _EMAIL.fullmatch(email) is None:
        raise NotAllowed("This is no e-mail address.")
    params = {"account_id": account_id, "email": email, "name": name, "role": role, "by": by}
    try:
        with connection.transaction():
            made = connection.execute(statement("invite_member"), params).fetchone()
    except psycopg.errors.ForeignKeyViolation:
        raise NotFound(f"There is no account {account_id}.") from None
    if made is None:
        # Whether it is in another account is nobody's business here.
        raise NotAllowed("Somebody signs in with this address already.")
    return _invite(connection, find_member(connection, account_id, made[0]))


def renew_link(
    connection: psycopg.Connection, account_id: int, member_id: int, *, days: int = INVITATION_DAYS
) -> Invitation:
    """A link for a member by which they choose a password anew; the one that they have holds until then.

    Raises:
        NotFound: the account has no such member.
        NotAllowed: they may not sign in.
    """
    member = find_member(connection, account_id, member_id)
    if member.disabled_at is not None:
        raise NotAllowed(f"{member.name} may not sign in: let them in again first.")
    return _invite(connection, member, days=days)


def _invite(connection: psycopg.Connection, member: Member, *, days: int = INVITATION_DAYS) -> Invitation:
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    params = {"member_id": member.id, "digest": digest_of(secret), "days": days}
    connection.execute(statement("drop_invitations"), params)
    connection.execute(statement("add_invitation"), params)
    return Invitation(member, secret, days)


def find_invited(connection: psycopg.Connection, secret: str) -> Member | None:
    """Whom an invitation is for; None where it was used, has expired, or was never made."""
    found = rows_as(connection, Member, "find_invited", {"digest": digest_of(secret)})
    return found[0] if found else None


def join_member(connection: psycopg.Connection, secret: str, *, password_hash: str) -> Member:
    """Take an invitation: the member has this password from now on, and the link works no more.

    Wherever they had signed in before, they are signed out.

    Raises:
        NotFound: the invitation was used, has expired, or was never made.
    """
    row = connection.execute(
        statement("join_member"), {"digest": digest_of(secret), "password_hash": password_hash}
    ).fetchone()
    if row is None:
        raise NotFound("This invitation was used or has expired. Ask whoever invited you for another one.")
    connection.execute(statement("close_member_sessions"), {"id": row[1]})
    return find_member(connection, *row)


def find_member(connection: psycopg.Connection, account_id: int, member_id: int) -> Member:
    """Raises NotFound: the account has no such member."""
    found = [one for one in list_members(connection, account_id) if one.id == member_id]
    if not found:
        raise NotFound(f"There is no member {member_id}.")
    return found[0]


def list_members(connection: psycopg.Connection, account_id: int) -> list[Member]:
    """An account's members in the order of their names."""
    return rows_as(connection, Member, "list_members", {"account_id": account_id})


def find_kept_member(connection: psycopg.Connection, email: str) -> KeptMember | None:
    """Who signs in with this address, and what their password is checked against."""
    found = rows_as(connection, KeptMember, "find_kept_member", {"email": email})
    return found[0] if found else None


def change_member(
    connection: psycopg.Connection,
    account_id: int,
    member_id: int,
    *,
    role: MemberRole | None = None,
    disabled: bool | None = None,
) -> Member:
    """Give a member another role, or take away the right to sign in; their sessions end with it. None leaves it.

    Raises:
        NotFound: the account has no such member.
        NotAllowed: nobody would be left who may do this.
    """
    connection.execute(statement("lock_members"), {"account_id": account_id})
    member = find_member(connection, account_id, member_id)
    stays_out = member.disabled_at is not None if disabled is None else disabled
    params = {"id": member.id, "role": role or member.role, "disabled": stays_out}
    connection.execute(statement("change_member"), params)
    if stays_out:
        connection.execute(statement("close_member_sessions"), params)
    if member.joined_at is not None and not _has_admin(connection, account_id):
        raise NotAllowed("Nobody would be left who may change anything: make somebody else an admin first.")
    return find_member(connection, account_id, member_id)


def _has_admin(connection: psycopg.Connection, account_id: int) -> bool:
    return any(
        one.role is MemberRole.ADMIN and one.disabled_at is None and one.joined_at is not None
        for one in list_members(connection, account_id)
    )


def note_member_sign_in(connection: psycopg.Connection, member_id: int) -> None:
    """They have signed in just now."""
    connection.execute(statement("note_member_sign_in"), {"id": member_id})
