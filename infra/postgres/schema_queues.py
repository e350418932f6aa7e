"""The tables of the queues in PostgreSQL, used when `RETINUE_TRANSPORT` is `postgres`.

A message is a hint, so messages and the queues they lie in are UNLOGGED: they cost no write-ahead log, and no commit of
theirs waits for the disk. A crash of the server empties both, and a standby has neither; the jobs are in `jobs`, and
rescue sends them again. What lies among the dead is for a person to look at, and is kept.

The table of messages is tiny and changes all the time. No column that a receive writes is in an index, and pages are
kept half empty, so that an update stays on its page, needs no entry in an index and is cleaned up in passing.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Integer, PrimaryKeyConstraint, Table, Text, text

from infra.postgres.schema import metadata, moment_column, name_column

#: Dead rows are swept away long before a scan would feel them.
_SMALL_AND_BUSY = {
    "fillfactor": 50,
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 1000,
    "autovacuum_vacuum_cost_delay": 0,
}

queues = Table(
    "queues",
    metadata,
    name_column("type", primary_key=True),
    Column("visibility_seconds", Integer, nullable=False),
    Column("max_receives", Integer, nullable=False),
    CheckConstraint("visibility_seconds > 0 AND max_receives > 0", name="options"),
    prefixes=["UNLOGGED"],
)

messages = Table(
    "messages",
    metadata,
    name_column("type"),
    Column("id", BigInteger, Identity(always=False), nullable=False),
    Column("body", Text, nullable=False),
    Column("receives", Integer, nullable=False, server_default=text("0")),
    # Whoever received it last has it to himself until then; NULL when nobody has.
    moment_column("hidden_until"),
    moment_column("sent_at", nullable=False, default_now=True),
    PrimaryKeyConstraint("type", "id"),
    prefixes=["UNLOGGED"],
    postgresql_with=_SMALL_AND_BUSY,
)

dead_messages = Table(
    "dead_messages",
    metadata,
    name_column("type"),
    Column("id", BigInteger, Identity(always=False), nullable=False),
    Column("body", Text, nullable=False),
    # None when it was only received too often.
    Column("reason", Text),
    moment_column("died_at", nullable=False, default_now=True),
    PrimaryKeyConstraint("type", "id"),
)
