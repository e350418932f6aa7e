"""The tables of figures about the past: per minute, type, account and outcome, made from history by `scheduler.rollup`.

The minute's `job_rollups` are written by the settles themselves; these are made after the minute has ended, so that a
settle pays nothing for them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from infra.postgres.schema import ACCOUNT_TABLES, job_state, metadata, moment_column, name_column
from retinue.histogram import BUCKETS

account_rollups = Table(
    "account_rollups",
    metadata,
    # Figures of a minute (60), and of an hour or a day once they are older.
    Column("step_seconds", Integer, nullable=False),
    moment_column("starts_at", nullable=False),
    name_column("type"),
    # NULL: the total over all jobs, those of no account among them.
    Column("account_id", BigInteger),
    Column("state", job_state, nullable=False),
    Column("jobs", BigInteger, nullable=False),
    Column("run_seconds", Double, nullable=False),
    Column("wait_seconds", Double, nullable=False),
    # Counts by `retinue.histogram.BOUNDS`. A job that never ran is in neither.
    Column("run_histogram", ARRAY(BigInteger), nullable=False),
    Column("wait_histogram", ARRAY(BigInteger), nullable=False),
    UniqueConstraint("step_seconds", "starts_at", "type", "account_id", "state", postgresql_nulls_not_distinct=True),
    CheckConstraint("step_seconds IN (60, 3600, 86400)", name="step_seconds"),
    CheckConstraint(
        f"cardinality(run_histogram) = {BUCKETS} AND cardinality(wait_histogram) = {BUCKETS}", name="buckets"
    ),
)
Index(
    "account_rollups_totals",
    account_rollups.c.starts_at,
    account_rollups.c.type,
    postgresql_where=text("account_id IS NULL"),
)
Index(
    "account_rollups_by_account",
    account_rollups.c.account_id,
    account_rollups.c.starts_at,
    postgresql_where=text("account_id IS NOT NULL"),
)

# One row: how far the figures have come. Whoever has it locked is at work.
rollup_progress = Table(
    "rollup_progress",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    moment_column("rolled_until", nullable=False),
    moment_column("checked_until", nullable=False),
    CheckConstraint("single", name="single"),
)

ACCOUNT_TABLES += ["account_rollups"]
