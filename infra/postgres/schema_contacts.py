"""The people that synced mail and calendars name: one row for each address of an account."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from infra.postgres.schema import ACCOUNT_TABLES, identity_column, metadata, moment_column

#: The longest address that is kept: 64 characters, `@` and 255 (RFC 5321 §4.5.3.1).
MAX_ADDRESS = 320

contacts = Table(
    "contacts",
    metadata,
    identity_column(),
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    # Lower-case, its domain in IDNA's ASCII form.
    Column("address", Text(collation="C"), nullable=False),
    # What the newest message or event that gave a name called them, and when that was.
    Column("name", Text),
    moment_column("named_at"),
    # Widened by whatever names the contact, and never narrowed again.
    moment_column("first_seen_at", nullable=False),
    moment_column("last_seen_at", nullable=False),
    # How many live messages and live events name the contact.
    Column("messages", BigInteger, nullable=False, server_default=text("0")),
    Column("events", BigInteger, nullable=False, server_default=text("0")),
    # What lists are sorted by, and what the view `crm_people` joins contacts to records with that address by.
    Column("sort_name", Text(collation="C"), Computed("lower(left(coalesce(name, address), 200))", persisted=True)),
    Column("address_key", BigInteger, Computed("hashtextextended(address, 0)", persisted=True)),
    UniqueConstraint("account_id", "address"),
    CheckConstraint(f"length(address) BETWEEN 1 AND {MAX_ADDRESS}", name="address_length"),
    CheckConstraint("(name IS NULL) = (named_at IS NULL)", name="named"),
    CheckConstraint("first_seen_at <= last_seen_at", name="seen"),
    CheckConstraint("messages >= 0 AND events >= 0", name="counts"),
    # Most updates only count, and find room beside the row they replace.
    postgresql_with={"fillfactor": 80},
)

Index("contacts_by_last_seen", contacts.c.account_id, contacts.c.last_seen_at, contacts.c.id)
Index("contacts_by_name", contacts.c.account_id, contacts.c.sort_name, contacts.c.id)
Index("contacts_by_address_key", contacts.c.account_id, contacts.c.address_key)

ACCOUNT_TABLES += ["contacts"]
