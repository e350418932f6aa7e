"""Unique keys that outlive their jobs."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, PrimaryKeyConstraint, Table

from infra.postgres.schema import metadata, moment_column, name_column

# While `until` lies ahead no other job with this key is made, whether or not the one that took it is finished.
job_keys = Table(
    "job_keys",
    metadata,
    name_column("type"),
    name_column("key"),
    moment_column("until", nullable=False),
    Column("job_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("type", "key"),
    CheckConstraint("octet_length(key) <= 2000", name="indexable"),
)
Index("job_keys_by_end", job_keys.c.until)
