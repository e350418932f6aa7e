"""The table of imports: how far the first reading of a connection is."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, PrimaryKeyConstraint, Table, Text, text

from infra.postgres.schema import ACCOUNT_TABLES, metadata, moment_column


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


# One row for each kind of data that a connection brings; `total` and `done` count messages,
# calendar objects or records.
imports = Table(
    "imports",
    metadata,
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("connection_id", BigInteger, ForeignKey("connections.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    # The jobs that read the history, where that takes jobs of its own.
    Column("group_id", BigInteger),
    _count("total"),
    _count("done"),
    moment_column("started_at", nullable=False, default_now=True),
    # Recent weeks are in.
    moment_column("recent_at"),
    # All is in, and was compared with the server.
    moment_column("finished_at"),
    # How far it was at two moments, at least a minute apart: from the earlier one its rate is told.
    moment_column("mark_at", nullable=False, default_now=True),
    _count("mark_done"),
    moment_column("next_mark_at", nullable=False, default_now=True),
    _count("next_mark_done"),
    moment_column("advanced_at"),
    PrimaryKeyConstraint("connection_id", "kind"),
    CheckConstraint("kind IN ('email', 'calendar', 'salesforce')", name="kind"),
    CheckConstraint("total >= 0 AND done >= 0", name="counts"),
    CheckConstraint("finished_at IS NULL OR recent_at IS NOT NULL", name="recent_before_finished"),
    # Its row is written with every page.
    postgresql_with={"fillfactor": 50},
)

ACCOUNT_TABLES += ["imports"]
