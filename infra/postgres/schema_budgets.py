"""The tables that stand between a job and a provider: budgets and their leases, breakers, incidents."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from infra.postgres.schema import ACCOUNT_TABLES, Moment, identity_column, metadata, moment_column, within_range


def _connection_column() -> Column[int]:
    return Column("connection_id", BigInteger, ForeignKey("connections.id", ondelete="CASCADE"), nullable=False)


# What holds for all windows of a connection. Its row is the lock under which leases are given.
budget_states = Table(
    "budget_states",
    metadata,
    _connection_column(),
    # The provider wants no call before that.
    moment_column("blocked_until"),
    Column("blocked_reason", Text),
    # Somebody was refused a place among the calls at the same time.
    moment_column("contended_at"),
    PrimaryKeyConstraint("connection_id"),
    postgresql_with={"fillfactor": 50},
)

# One row for each window; window_seconds 0 is calls at the same time.
budgets = Table(
    "budgets",
    metadata,
    _connection_column(),
    Column("window_seconds", Integer, nullable=False),
    Column("call_limit", Integer, nullable=False),
    # The share that only urgent calls may use.
    Column("reserve", Double, nullable=False, server_default=text("0")),
    # 'declared': by the servant's package; 'set': by a person, which wins.
    Column("source", Text, nullable=False),
    # What the provider says the limit is; the smaller one counts where a person has set one.
    Column("learned_limit", Integer),
    # Calls that others spend from the same limit, as the provider's answers show, and until when that is believed.
    Column("foreign_calls", Integer, nullable=False, server_default=text("0")),
    moment_column("foreign_until"),
    moment_column("learned_at"),
    PrimaryKeyConstraint("connection_id", "window_seconds"),
    CheckConstraint("window_seconds BETWEEN 0 AND 2678400", name="window"),
    CheckConstraint("call_limit >= 1 AND learned_limit >= 0", name="limits"),
    CheckConstraint("reserve >= 0 AND reserve < 1", name="reserve"),
    CheckConstraint("source IN ('declared', 'set')", name="source"),
    postgresql_with={"fillfactor": 50},
)

# Calls that were made, counted by the part of the window in which they were reported.
budget_usage = Table(
    "budget_usage",
    metadata,
    _connection_column(),
    Column("window_seconds", Integer, nullable=False),
    moment_column("bucket_at", nullable=False),
    Column("calls", Integer, nullable=False),
    PrimaryKeyConstraint("connection_id", "window_seconds", "bucket_at"),
    postgresql_with={"fillfactor": 50},
)

# What one servant may still spend without asking.
budget_leases = Table(
    "budget_leases",
    metadata,
    _connection_column(),
    Column("servant_id", BigInteger, nullable=False),
    # Lent and not yet reported as spent; all of it counts as spent if the lease runs out.
    Column("calls", Integer, nullable=False),
    # Calls at the same time.
    Column("places", Integer, nullable=False),
    # Everything the servant has reported, so that a report that is sent again counts once.
    Column("used_total", BigInteger, nullable=False),
    moment_column("expires_at", nullable=False),
    PrimaryKeyConstraint("connection_id", "servant_id"),
    CheckConstraint("calls >= 0 AND places >= 0", name="counts"),
    postgresql_with={"fillfactor": 50},
)

# One row for each breaker that ever counted a failure; `scope` is connection:ID or provider:NAME.
breakers = Table(
    "breakers",
    metadata,
    Column("scope", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="closed"),
    Column("failed_at", ARRAY(Moment), nullable=False, server_default=text("'{}'")),
    Column("openings", Integer, nullable=False, server_default=text("0")),
    Column("reason", Text),
    moment_column("opened_at"),
    moment_column("probe_at"),
    # The attempt that looks whether it works again; it counts while its job runs.
    Column("probe_job_id", BigInteger),
    Column("probe_attempt", Integer),
    moment_column("updated_at", nullable=False, default_now=True),
    PrimaryKeyConstraint("scope"),
    CheckConstraint("state IN ('closed', 'open', 'half_open')", name="state"),
    # What is not closed says when to look again and why it opened.
    CheckConstraint(
        "(state = 'closed') = (probe_at IS NULL) AND (state = 'closed' OR reason IS NOT NULL)", name="open_has_probe"
    ),
    CheckConstraint("(state = 'half_open') = (probe_job_id IS NOT NULL)", name="half_open_has_probe"),
)
Index("breakers_open", breakers.c.opened_at, postgresql_where=text("state <> 'closed'"))

incidents = Table(
    "incidents",
    metadata,
    identity_column(),
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    _connection_column(),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # The same for all whose reasons say the same.
    Column("fingerprint", Text(collation="C"), nullable=False),
    moment_column("opened_at", nullable=False, default_now=True),
    # The job that met it first.
    Column("job_id", BigInteger),
    # When one job is let through next.
    moment_column("probe_at", nullable=False),
    Column("probes", Integer, nullable=False, server_default=text("0")),
    Column("probe_job_id", BigInteger),
    Column("probe_attempt", Integer),
    moment_column("probed_at"),
    Column("probe_error", Text),
    moment_column("resolved_at"),
    Column("resolved_by", Text),
    Column("assigned_to", Text),
    # Somebody knows of it: it is not counted among the troubles, and parks its lanes all the same.
    moment_column("muted_at"),
    # NULL while it is muted: until somebody ends that.
    moment_column("muted_until"),
    Column("muted_by", Text),
    CheckConstraint("kind IN ('credential', 'permission', 'settings', 'part')", name="kind"),
    CheckConstraint("(muted_at IS NULL) = (muted_by IS NULL)", name="muted"),
    CheckConstraint("muted_until IS NULL OR muted_at IS NOT NULL", name="muted_until"),
    CheckConstraint(within_range("muted_until"), name="moments"),
    # What is resolved says by what.
    CheckConstraint("(resolved_at IS NULL) = (resolved_by IS NULL)", name="resolved"),
)
# A connection has one open incident of a kind, however many jobs meet it.
Index(
    "incidents_one_open",
    incidents.c.connection_id,
    incidents.c.kind,
    unique=True,
    postgresql_where=text("resolved_at IS NULL"),
)
Index("incidents_by_time", incidents.c.opened_at)

ACCOUNT_TABLES += ["incidents"]
