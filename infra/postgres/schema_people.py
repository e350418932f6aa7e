"""The tables of people: who may sign in, their sessions and the tokens of programs."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
)

from infra.postgres.schema import ACCOUNT_TABLES, identity_column, metadata, moment_column
from infra.roles import Role

_ROLES = ", ".join(f"'{role}'" for role in Role)


def _role_column() -> Column[str]:
    return Column("role", Text, nullable=False)


def _role_check() -> CheckConstraint:
    return CheckConstraint(f"role IN ({_ROLES})", name="role")


people = Table(
    "people",
    metadata,
    identity_column(),
    Column("name", Text, nullable=False),
    _role_column(),
    # Argon2id, in the form that names its own parameters. Null: signs in elsewhere, or by the settings' password.
    Column("password_hash", Text),
    moment_column("password_set_at"),
    # Who somebody is for the identity provider; names change there, this does not.
    Column("oidc_issuer", Text),
    Column("oidc_subject", Text),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("signed_in_at"),
    moment_column("disabled_at"),
    _role_check(),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint("(password_hash IS NULL) = (password_set_at IS NULL)", name="password_set"),
    CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name="oidc"),
    UniqueConstraint("oidc_issuer", "oidc_subject", name="people_oidc_key"),
)
# Nobody is to pose as somebody by a capital letter.
Index("people_by_name", func.lower(people.c.name), unique=True)

# The cookie holds the secret, the row its SHA-256: whoever reads the table cannot sign in by it.
sessions = Table(
    "sessions",
    metadata,
    identity_column(),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("person_id", BigInteger, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("seen_at", nullable=False, default_now=True),
    moment_column("expires_at", nullable=False),
    # Where it was opened, for the person to know it by.
    Column("address", Text),
    Column("agent", Text),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint("length(agent) <= 300", name="agent_length"),
)
Index("sessions_by_person", sessions.c.person_id)
Index("sessions_expired", sessions.c.expires_at)

api_tokens = Table(
    "api_tokens",
    metadata,
    identity_column(),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    _role_column(),
    # A token for one account sees nothing of another.
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE")),
    Column("created_by", Text, nullable=False),
    # Whose it is: it may no more than they may now. Null: made by the command line, or by the settings' user.
    Column("person_id", BigInteger, ForeignKey("people.id", ondelete="CASCADE")),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("expires_at"),
    moment_column("used_at"),
    moment_column("revoked_at"),
    _role_check(),
    CheckConstraint("length(digest) = 32", name="digest"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    # Who may do what is nothing that one account decides.
    CheckConstraint(f"account_id IS NULL OR role <> '{Role.ADMIN}'", name="account_role"),
)

Index("api_tokens_by_person", api_tokens.c.person_id)

ACCOUNT_TABLES += ["api_tokens"]
