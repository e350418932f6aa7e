"""The tables of what queues cost: calls by type, and each account's share of them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from infra.postgres.schema import ACCOUNT_TABLES, metadata, moment_column, name_column

# Calls to SQS, added by each process about once a minute.
queue_calls = Table(
    "queue_calls",
    metadata,
    # Of an hour (3600), and of a day once they are older.
    Column("step_seconds", Integer, nullable=False),
    moment_column("starts_at", nullable=False),
    name_column("type"),
    # As SQS's API calls it, such as ReceiveMessage.
    name_column("action"),
    Column("calls", BigInteger, nullable=False),
    PrimaryKeyConstraint("step_seconds", "starts_at", "type", "action"),
    CheckConstraint("step_seconds IN (3600, 86400)", name="step_seconds"),
    CheckConstraint("calls >= 0", name="calls"),
    postgresql_with={"fillfactor": 50},
)

# Each account's share of the calls, by its share of the jobs; made by `scheduler.costs` once an hour has ended.
account_costs = Table(
    "account_costs",
    metadata,
    Column("period", Text, nullable=False),
    moment_column("starts_at", nullable=False),
    # NULL: jobs of no account, and calls of a type that ended no job.
    Column("account_id", BigInteger),
    # Empty: all types together.
    name_column("type"),
    Column("jobs", BigInteger, nullable=False),
    Column("calls", Double, nullable=False),
    UniqueConstraint("period", "starts_at", "account_id", "type", postgresql_nulls_not_distinct=True),
    CheckConstraint("period IN ('hour', 'day', 'month')", name="period"),
    CheckConstraint("jobs >= 0 AND calls >= 0", name="counts"),
    postgresql_with={"fillfactor": 70},
)
Index(
    "account_costs_largest",
    account_costs.c.period,
    account_costs.c.starts_at,
    account_costs.c.calls,
    postgresql_where=text("type = ''"),
)
Index("account_costs_by_account", account_costs.c.account_id, account_costs.c.period, account_costs.c.starts_at)

# One row: which hours have been shared out. Whoever has it locked is at work.
cost_progress = Table(
    "cost_progress",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    moment_column("shared_until", nullable=False),
    CheckConstraint("single", name="single"),
)

ACCOUNT_TABLES += ["account_costs"]
