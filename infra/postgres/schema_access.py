"""The tables of who may look at an account: its members, their sessions, and the visits of operators who assume it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)

from infra.permissions import Permission, operator_may
from infra.postgres.schema import ACCOUNT_TABLES, identity_column, metadata, moment_column
from infra.principal import VISIT_MINUTES, MemberRole, Mode
from infra.roles import Role


def _account_column() -> Column[int]:
    return Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False)


def _digest_column() -> Column[bytes]:
    # Whoever reads the table cannot sign in by it: the secret is with the browser alone.
    return Column("digest", LargeBinary, nullable=False, unique=True)


# Somebody of a customer's. An address belongs to one account, so that it alone tells where somebody signs in.
members = Table(
    "members",
    metadata,
    identity_column(),
    _account_column(),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    # Argon2id; null until the invitation is taken.
    Column("password_hash", Text),
    Column("invited_by", Text, nullable=False),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("joined_at"),
    moment_column("signed_in_at"),
    moment_column("disabled_at"),
    CheckConstraint(f"role IN ({', '.join(repr(str(role)) for role in MemberRole)})", name="role"),
    CheckConstraint("length(email) BETWEEN 3 AND 254 AND strpos(email, '@') > 1", name="email"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint("(password_hash IS NULL) = (joined_at IS NULL)", name="joined"),
)
Index("members_by_email", func.lower(members.c.email), unique=True)
Index("members_by_account", members.c.account_id)

invitations = Table(
    "invitations",
    metadata,
    identity_column(),
    _account_column(),
    _digest_column(),
    Column("member_id", BigInteger, ForeignKey("members.id", ondelete="CASCADE"), nullable=False),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("expires_at", nullable=False),
    CheckConstraint("length(digest) = 32", name="digest"),
)
Index("invitations_by_member", invitations.c.member_id)

# An operator in a customer's account. Never deleted but with its account: its admins see who looked, when and why.
visits = Table(
    "visits",
    metadata,
    identity_column(),
    _account_column(),
    Column("person_id", BigInteger, ForeignKey("people.id", ondelete="SET NULL")),
    # As it was that day.
    Column("person_name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ticket_url", Text),
    Column("state", Text, nullable=False),
    moment_column("asked_at", nullable=False, default_now=True),
    moment_column("decided_at"),
    Column("decided_by", Text),
    moment_column("began_at"),
    moment_column("expires_at"),
    moment_column("ended_at"),
    # How many masked values were shown.
    Column("unmasked", Integer, nullable=False, server_default=text("0")),
    # It waits for the account's admins, may begin, has begun, is over, or they said no.
    CheckConstraint("state IN ('asked', 'granted', 'open', 'ended', 'refused')", name="state"),
    CheckConstraint("length(reason) BETWEEN 1 AND 1000", name="reason_length"),
    CheckConstraint("ticket_url ~ '^https?://' AND length(ticket_url) <= 1000", name="ticket_url"),
    CheckConstraint("(began_at IS NULL) = (expires_at IS NULL)", name="began"),
    CheckConstraint(f"expires_at <= began_at + interval '{VISIT_MINUTES} minutes'", name="length"),
    CheckConstraint("state <> 'open' OR began_at IS NOT NULL", name="open_began"),
    CheckConstraint("(state IN ('ended', 'refused')) = (ended_at IS NOT NULL)", name="ended"),
)
# One at a time.
Index("visits_open", visits.c.person_id, unique=True, postgresql_where=text("state = 'open'"))
Index("visits_by_account", visits.c.account_id, visits.c.id)

# What a session of the database is bound by: it names the secret, and sees the account that belongs to it.
account_sessions = Table(
    "account_sessions",
    metadata,
    identity_column(),
    _account_column(),
    _digest_column(),
    Column("mode", Text, nullable=False),
    Column("member_id", BigInteger, ForeignKey("members.id", ondelete="CASCADE")),
    Column("visit_id", BigInteger, ForeignKey("visits.id", ondelete="CASCADE"), unique=True),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("seen_at", nullable=False, default_now=True),
    moment_column("expires_at", nullable=False),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint(
        f"(mode = '{Mode.SELF}' AND member_id IS NOT NULL AND visit_id IS NULL)"
        f" OR (mode = '{Mode.ASSUMED}' AND member_id IS NULL AND visit_id IS NOT NULL)",
        name="mode",
    ),
)
Index("account_sessions_by_member", account_sessions.c.member_id)
Index("account_sessions_expired", account_sessions.c.expires_at)

ACCOUNT_TABLES += ["members", "invitations", "visits", "account_sessions"]


_VISITORS = ", ".join(f"'{role}'" for role in Role if operator_may(role, Permission.ACCOUNT_ASSUME))


def _bound_account(name: str, mode: Mode, holds: str) -> str:
    """The function that tells which account the session is bound to.

    It runs as its owner, for the session itself cannot read what it is bound by; the names within it are found in this
    schema whatever the session's search path says.
    """
    return f"""CREATE FUNCTION {name}() RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT bound.account_id
        FROM public.account_sessions AS bound
        WHERE bound.digest = sha256(convert_to(current_setting('retinue.principal', true), 'UTF8'))
            AND bound.mode = '{mode}'
            AND bound.expires_at > now()
            AND EXISTS ({holds})
            AND NOT EXISTS (
                SELECT FROM public.accounts AS own WHERE own.id = bound.account_id AND own.erasing_at IS NOT NULL
            )
    );
END $$"""


#: What SQLAlchemy has no words for.
STATEMENTS = (
    _bound_account(
        "current_account",
        Mode.SELF,
        "SELECT FROM public.members AS own WHERE own.id = bound.member_id AND own.disabled_at IS NULL",
    ),
    _bound_account(
        "assumed_account",
        Mode.ASSUMED,
        "SELECT FROM public.visits AS own JOIN public.people AS visitor ON visitor.id = own.person_id"
        " WHERE own.id = bound.visit_id AND own.state = 'open' AND own.expires_at > now()"
        f" AND visitor.disabled_at IS NULL AND visitor.role IN ({_VISITORS})",
    ),
)
