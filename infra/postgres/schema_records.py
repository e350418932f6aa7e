"""Synced records of any kind, the feed of their changes, and which objects of a Salesforce org an account keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from infra.postgres.schema import ACCOUNT_TABLES, identity_column, metadata, moment_column, name_column

_EMAIL = "lower(btrim(left(payload ->> 'Email', 320)))"

_SORT_NAME = "lower(left(coalesce(payload ->> 'Name', ''), 200))"

_MOMENTS = ("ActivityDateTime", "StartDateTime", "ActivityDate", "CreatedDate")
_HAPPENS_ON = "left(coalesce(" + ", ".join(f"payload ->> '{name}'" for name in _MOMENTS) + ", ''), 40)"


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _connection() -> Column[int]:
    return Column("connection_id", BigInteger, ForeignKey("connections.id", ondelete="CASCADE"), nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _of_kinds(name: str, kinds: Sequence[str], type_: Any, expression: str) -> Column[Any]:
    """What pages list and join records of these kinds by; null in all others, which costs them a bit each.

    A column, and not an expression in an index: row-level security lets an account's own session look through an
    index only with operators that tell nothing of rows that it may not see. Those that compare columns are such,
    `->>` is not.
    It also leaves the updates of other kinds as cheap as they are, for no indexed value of theirs changes.
    """
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return Column(name, type_, Computed(f"CASE WHEN kind IN ({listed}) THEN {expression} END", persisted=True))


def _plain_text() -> Text:
    return Text(collation="C")


# The last known state of everything that a connection brings in. No foreign key: to check one for each row took longer
# than to look for the row; a trigger below takes records along with their connection.
records = Table(
    "records",
    metadata,
    _number("connection_id"),
    # What it is at the provider, such as the name of its object in Salesforce.
    name_column("kind"),
    name_column("external_id"),
    _number("account_id"),
    # The provider's own mark of a state, which only grows while the record lives; microseconds where it is a moment.
    _number("version"),
    # When the request began that told of this state: of two answers with one version, the later one holds.
    moment_column("observed_at", nullable=False),
    # Of `external_id` and `payload`, as `infra.postgres.record_values` computes it.
    _number("content_hash"),
    Column("payload", JSONB, nullable=False),
    # It is no more at the provider. The row stays a while, so that a page read before cannot bring it back.
    moment_column("deleted_at"),
    # Its deletion is known only because it was not found: whatever was read before does not bring it back.
    _flag("absent"),
    moment_column("changed_at", nullable=False, default_now=True),
    # When the provider last changed it: `version` again.
    _of_kinds("modified", ("Opportunity", "Contact"), BigInteger, "version"),
    _of_kinds(
        "sort_name", ("Opportunity", "Contact"), _plain_text(), "lower(left(coalesce(payload ->> 'Name', ''), 200))"
    ),
    # Days and moments as Salesforce writes them, whose order is that of their texts.
    _of_kinds("closes_on", ("Opportunity",), _plain_text(), "left(coalesce(payload ->> 'CloseDate', ''), 40)"),
    _of_kinds("email", ("Contact",), _plain_text(), _EMAIL),
    # Of `email`, as `contacts.address_key` is of an address: the view `crm_people` joins them.
    _of_kinds("email_key", ("Contact",), BigInteger, f"hashtextextended({_EMAIL}, 0)"),
    _of_kinds("who_id", ("Task", "Event"), _plain_text(), "left(payload ->> 'WhoId', 40)"),
    _of_kinds("what_id", ("Task", "Event"), _plain_text(), "left(payload ->> 'WhatId', 40)"),
    _of_kinds("happens_on", ("Task", "Event"), _plain_text(), _HAPPENS_ON),
    PrimaryKeyConstraint("connection_id", "kind", "external_id"),
    CheckConstraint("octet_length(kind) BETWEEN 1 AND 200", name="kind_length"),
    CheckConstraint("octet_length(external_id) BETWEEN 1 AND 500", name="external_id_length"),
    CheckConstraint("NOT absent OR deleted_at IS NOT NULL", name="absent"),
    # A changed row finds room beside the one it replaces.
    postgresql_with={"fillfactor": 90},
)
Index("records_deleted", records.c.deleted_at, postgresql_where=text("deleted_at IS NOT NULL"))


def _listed(name: str, kind: str, *columns: str) -> None:
    """What a page of an account goes through, from any place on, in either direction."""
    where = text(f"kind = '{kind}' AND deleted_at IS NULL")
    Index(name, *(records.c[column] for column in ("account_id", *columns)), postgresql_where=where)


_listed("records_opportunities_by_change", "Opportunity", "modified", "connection_id", "external_id")
_listed("records_opportunities_by_close", "Opportunity", "closes_on", "connection_id", "external_id")
_listed("records_contacts_by_change", "Contact", "modified", "connection_id", "external_id")
_listed("records_contacts_by_name", "Contact", "sort_name", "connection_id", "external_id")
_listed("records_contacts_by_email", "Contact", "email_key")
for _name in ("who_id", "what_id"):
    Index(
        f"records_activities_by_{_name.removesuffix('_id')}",
        *(records.c[column] for column in ("connection_id", _name, "happens_on", "external_id")),
        postgresql_where=text(f"{_name} IS NOT NULL AND deleted_at IS NULL"),
    )

# How many of them live, kept by the statements that merge and delete, under the lock of the account's feed.
record_counts = Table(
    "record_counts",
    metadata,
    _connection(),
    name_column("kind"),
    _number("account_id"),
    _number("live"),
    PrimaryKeyConstraint("connection_id", "kind"),
    CheckConstraint("live >= 0", name="live"),
    postgresql_with={"fillfactor": 50},
)

# What became of an account's records, in the order in which it became visible; `position` counts up without a gap.
record_changes = Table(
    "record_changes",
    metadata,
    _number("account_id"),
    _number("position"),
    moment_column("at", nullable=False),
    _number("connection_id"),
    name_column("kind"),
    name_column("external_id"),
    Column("change", Text, nullable=False),
    _number("version"),
    # Of an update: the fields that changed, with what they were; null is also what a field was that was not there.
    Column("before", JSONB),
    PrimaryKeyConstraint("account_id", "position", "at"),
    CheckConstraint("change IN ('added', 'updated', 'deleted')", name="change"),
    CheckConstraint("before IS NULL OR change = 'updated'", name="before"),
    postgresql_partition_by="RANGE (at)",
)

# The last position that was given out. Positions are given out under the account's lock, held until the commit.
record_feeds = Table(
    "record_feeds",
    metadata,
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    _number("position"),
    CheckConstraint("position > 0", name="position"),
    # Written with every commit that changes a record.
    postgresql_with={"fillfactor": 50},
)

# A reading of all records of a kind that is under way; at its end, what it did not see is deleted.
record_replacements = Table(
    "record_replacements",
    metadata,
    identity_column(),
    _connection(),
    name_column("kind"),
    _number("account_id"),
    moment_column("began_at", nullable=False),
    CheckConstraint("octet_length(kind) BETWEEN 1 AND 200", name="kind_length"),
)
Index("record_replacements_one", record_replacements.c.connection_id, record_replacements.c.kind, unique=True)

# What it has seen. To mark the records themselves would write them all again. No foreign key, likewise.
record_sightings = Table(
    "record_sightings",
    metadata,
    _number("generation"),
    name_column("external_id"),
    _number("account_id"),
    PrimaryKeyConstraint("generation", "external_id"),
)

# The objects of an org that a connection's user may read, and how far each is synced.
salesforce_objects = Table(
    "salesforce_objects",
    metadata,
    _connection(),
    name_column("name"),
    _number("account_id"),
    Column("label", Text),
    # The first three characters of its records' Ids.
    Column("key_prefix", Text),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("problem", Text),
    # Whether it is to be synced.
    _flag("selected"),
    # Whether Bulk API 2.0 can query it.
    Column("bulk", Boolean, nullable=False, server_default=text("true")),
    moment_column("described_at"),
    # The `Last-Modified` of its description, as it was sent.
    Column("describe_modified", Text),
    moment_column("synced_at"),
    moment_column("reconciled_at"),
    # What the last reconciliation found.
    Column("reconciled", JSONB),
    moment_column("formulas_at"),
    # Which of its fields a person wants; null is all.
    Column("chosen", ARRAY(Text)),
    # Grows whenever its fields change: what was read with the earlier ones is not stored any more.
    Column("field_generation", BigInteger, nullable=False, server_default=text("0")),
    # How far it is followed, as `servants.salesforce.position` writes it.
    Column("position", JSONB, nullable=False, server_default=text("'{}'")),
    moment_column("created_at", nullable=False, default_now=True),
    PrimaryKeyConstraint("connection_id", "name"),
    CheckConstraint("state IN ('pending', 'recent', 'history', 'live', 'gone')", name="state"),
    postgresql_with={"fillfactor": 50},
)

# Their fields. One that is described no more keeps its row, as its values are kept in the records.
salesforce_fields = Table(
    "salesforce_fields",
    metadata,
    _connection(),
    name_column("object"),
    name_column("name"),
    _number("account_id"),
    Column("type", Text, nullable=False),
    # What else its description says and a sync needs: length, scale, what it refers to.
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    # A formula or roll-up: it may change without a new SystemModstamp.
    _flag("calculated"),
    Column("position", Integer, nullable=False),
    moment_column("first_seen_at", nullable=False, default_now=True),
    moment_column("stale_at"),
    Column("stale_reason", Text),
    PrimaryKeyConstraint("connection_id", "object", "name"),
    CheckConstraint("stale_reason IN ('permission', 'deleted', 'unknown')", name="stale_reason"),
    CheckConstraint("(stale_at IS NULL) = (stale_reason IS NULL)", name="stale"),
)

#: What SQLAlchemy has no words for. Whoever deletes a connection waits for the merge under way into its account, and
#: the next one finds the connection gone: no record outlives it.
STATEMENTS = (
    """CREATE FUNCTION lock_records_of_account(bigint) RETURNS void LANGUAGE sql AS $$
SELECT pg_advisory_xact_lock(hashtextextended('retinue records ' || $1, 0))
$$""",
    """CREATE FUNCTION try_lock_records_of_account(bigint) RETURNS boolean LANGUAGE sql AS $$
SELECT pg_try_advisory_xact_lock(hashtextextended('retinue records ' || $1, 0))
$$""",
    """CREATE FUNCTION forget_records_of_connections() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_records_of_account(account_id) FROM (SELECT DISTINCT account_id FROM gone ORDER BY 1) AS account;
    DELETE FROM records USING gone WHERE records.connection_id = gone.id;
    RETURN NULL;
END $$""",
    "CREATE TRIGGER forget_records AFTER DELETE ON connections REFERENCING OLD TABLE AS gone"
    " FOR EACH STATEMENT EXECUTE FUNCTION forget_records_of_connections()",
    """CREATE FUNCTION forget_sightings_of_replacements() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM record_sightings USING gone WHERE record_sightings.generation = gone.id;
    RETURN NULL;
END $$""",
    "CREATE TRIGGER forget_sightings AFTER DELETE ON record_replacements REFERENCING OLD TABLE AS gone"
    " FOR EACH STATEMENT EXECUTE FUNCTION forget_sightings_of_replacements()",
    """CREATE FUNCTION forget_changes_of_feeds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM record_changes USING gone WHERE record_changes.account_id = gone.account_id;
    RETURN NULL;
END $$""",
    "CREATE TRIGGER forget_changes AFTER DELETE ON record_feeds REFERENCING OLD TABLE AS gone"
    " FOR EACH STATEMENT EXECUTE FUNCTION forget_changes_of_feeds()",
)

ACCOUNT_TABLES += [
    "records",
    "record_counts",
    "record_changes",
    "record_feeds",
    "record_replacements",
    "record_sightings",
    "salesforce_objects",
    "salesforce_fields",
]
