"""The tables of what a person should see to: anomalies by fingerprint, and notes on them and on incidents."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from infra.postgres.schema import ACCOUNT_TABLES, identity_column, metadata, moment_column, name_column, within_range

#: The longest note of a person, in characters.
MAX_NOTE = 4000


def _seen() -> Column[int]:
    return Column("seen", BigInteger, nullable=False)


# What jobs reported, appended by whoever ends or commits for them: nobody waits for an anomaly's row.
anomaly_sightings = Table(
    "anomaly_sightings",
    metadata,
    identity_column(),
    Column("fingerprint", Text(collation="C"), nullable=False),
    # The fingerprint of its type and name alone, for one whose reasons are too many to tell apart.
    Column("family", Text(collation="C"), nullable=False),
    name_column("type"),
    name_column("name"),
    Column("reason", Text, nullable=False),
    Column("account_id", BigInteger),
    Column("connection_id", BigInteger),
    Column("job_id", BigInteger, nullable=False),
    _seen(),
    # The fields of one of them.
    Column("sample", JSONB, nullable=False),
    moment_column("seen_at", nullable=False, default_now=True),
    CheckConstraint("seen > 0", name="seen"),
    postgresql_with={"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000},
)

# One row for all that say the same, whichever account met it. What is an account's own stands in the next table.
anomalies = Table(
    "anomalies",
    metadata,
    identity_column(),
    Column("fingerprint", Text(collation="C"), nullable=False, unique=True),
    name_column("type"),
    name_column("name"),
    # Without what changes from one time to the next.
    Column("reason", Text, nullable=False),
    moment_column("first_seen_at", nullable=False),
    moment_column("last_seen_at", nullable=False),
    _seen(),
    # How many rows the next table has of it; a trigger below keeps it.
    Column("accounts", Integer, nullable=False, server_default=text("0")),
    Column("assigned_to", Text),
    moment_column("resolved_at"),
    Column("resolved_by", Text),
    # When it was seen again after somebody had resolved it.
    moment_column("reopened_at"),
    moment_column("muted_at"),
    # NULL while it is muted: until somebody ends that.
    moment_column("muted_until"),
    Column("muted_by", Text),
    CheckConstraint("first_seen_at <= last_seen_at", name="times"),
    CheckConstraint("(resolved_at IS NULL) = (resolved_by IS NULL)", name="resolved"),
    CheckConstraint("(muted_at IS NULL) = (muted_by IS NULL)", name="muted"),
    CheckConstraint("muted_until IS NULL OR muted_at IS NOT NULL", name="muted_until"),
    CheckConstraint(within_range("muted_until"), name="moments"),
    # To resolve it ends its mute, and to mute it leaves it open.
    CheckConstraint("resolved_at IS NULL OR muted_at IS NULL", name="one_state"),
    postgresql_with={"fillfactor": 70},
)
Index("anomalies_by_time", anomalies.c.last_seen_at, anomalies.c.id)

# What each account has of it; NULL stands for jobs of no account.
anomaly_accounts = Table(
    "anomaly_accounts",
    metadata,
    Column("anomaly_id", BigInteger, ForeignKey("anomalies.id", ondelete="CASCADE"), nullable=False),
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE")),
    moment_column("first_seen_at", nullable=False),
    moment_column("last_seen_at", nullable=False),
    _seen(),
    # Of the last time.
    Column("connection_id", BigInteger),
    Column("job_id", BigInteger, nullable=False),
    Column("sample", JSONB, nullable=False),
    UniqueConstraint("anomaly_id", "account_id", postgresql_nulls_not_distinct=True),
    CheckConstraint("first_seen_at <= last_seen_at", name="times"),
    postgresql_with={"fillfactor": 70},
)
Index("anomaly_accounts_by_account", anomaly_accounts.c.account_id, anomaly_accounts.c.last_seen_at)

# Incidents of this fingerprint are quiet, those that are still to come, too.
incident_mutes = Table(
    "incident_mutes",
    metadata,
    Column("fingerprint", Text(collation="C"), primary_key=True),
    moment_column("muted_at", nullable=False, default_now=True),
    # NULL: until somebody ends it.
    moment_column("muted_until"),
    Column("muted_by", Text, nullable=False),
    CheckConstraint(within_range("muted_until"), name="moments"),
)

# What people wrote about an incident or an anomaly.
trouble_notes = Table(
    "trouble_notes",
    metadata,
    identity_column(),
    # NULL for an anomaly's, which is no account's own.
    Column("account_id", BigInteger),
    Column("incident_id", BigInteger, ForeignKey("incidents.id", ondelete="CASCADE")),
    Column("anomaly_id", BigInteger, ForeignKey("anomalies.id", ondelete="CASCADE")),
    moment_column("at", nullable=False, default_now=True),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    CheckConstraint("num_nonnulls(incident_id, anomaly_id) = 1", name="one_subject"),
    CheckConstraint("(incident_id IS NULL) = (account_id IS NULL)", name="account"),
    CheckConstraint(f"length(text) BETWEEN 1 AND {MAX_NOTE}", name="text_length"),
)
Index("trouble_notes_by_incident", trouble_notes.c.incident_id, postgresql_where=text("incident_id IS NOT NULL"))
Index("trouble_notes_by_anomaly", trouble_notes.c.anomaly_id, postgresql_where=text("anomaly_id IS NOT NULL"))

#: What SQLAlchemy has no words for.
STATEMENTS = (
    """CREATE FUNCTION count_accounts_of_anomalies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE anomalies
    SET accounts = anomalies.accounts + CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END * told.accounts
    FROM (SELECT anomaly_id, count(*)::int AS accounts FROM changed GROUP BY anomaly_id) AS told
    WHERE anomalies.id = told.anomaly_id;
    RETURN NULL;
END $$""",
    "CREATE TRIGGER count_more_accounts AFTER INSERT ON anomaly_accounts REFERENCING NEW TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_accounts_of_anomalies()",
    "CREATE TRIGGER count_fewer_accounts AFTER DELETE ON anomaly_accounts REFERENCING OLD TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_accounts_of_anomalies()",
)

ACCOUNT_TABLES += ["anomaly_sightings", "anomaly_accounts", "trouble_notes"]
