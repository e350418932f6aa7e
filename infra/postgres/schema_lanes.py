"""The tables of lanes: whose turn it is, what holds them back, and the notes that tell dispatch so."""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from infra.postgres.schema import Moment, identity_column, metadata, moment_column, name_column, within_range

_WAKE_AT = "CASE WHEN due_at IS NOT NULL THEN greatest(due_at, held_until) END"

# A lane's row says whether anything in it may start, so that blocked work is never scanned.
lanes = Table(
    "lanes",
    metadata,
    name_column("type"),
    name_column("lane"),
    Column("weight", REAL, nullable=False, server_default=text("1")),
    Column("concurrency_limit", Integer),
    # When its first pending job is due. NULL: nothing is pending.
    moment_column("due_at"),
    # The end of the longest of its rows in lane_holds; the year 9000 where somebody has to release it.
    moment_column("held_until"),
    Column("wake_at", Moment, Computed(_WAKE_AT, persisted=True)),
    # At its limit; the settle that frees a place wakes it.
    Column("full", Boolean, nullable=False, server_default=text("false")),
    # Something in it is due, nothing holds it, and it is not full: it stands in line by its virtual time.
    Column("ready", Boolean, nullable=False, server_default=text("false")),
    # Seconds of the servants' time it has used, divided by its weight.
    Column("virtual_time", Double, nullable=False, server_default=text("0")),
    # How long a job of it runs, as its last ones did.
    Column("mean_seconds", REAL, nullable=False, server_default=text("0")),
    # Its pending jobs, due or not; kept by the notes, so for a moment it may be off by those on their way.
    Column("pending", Integer, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("type", "lane"),
    CheckConstraint("concurrency_limit >= 1", name="concurrency_limit"),
    CheckConstraint("weight BETWEEN 0.001 AND 1000", name="weight"),
    # What is ready has something to do, and nothing that keeps it from doing it.
    CheckConstraint('NOT ready OR due_at IS NOT NULL AND NOT "full"', name="ready"),
    postgresql_with={
        "fillfactor": 50,
        "autovacuum_vacuum_scale_factor": 0.02,
        "autovacuum_vacuum_threshold": 2000,
        "autovacuum_vacuum_cost_delay": 0,
    },
)
Index("lanes_ready", lanes.c.type, lanes.c.virtual_time, postgresql_where=text("ready"))
Index("lanes_waiting", lanes.c.wake_at, postgresql_where=text('wake_at IS NOT NULL AND NOT ready AND NOT "full"'))

# Every reason that holds a lane back, one row each.
lane_holds = Table(
    "lane_holds",
    metadata,
    name_column("type"),
    name_column("lane"),
    Column("kind", Text, nullable=False),
    # What it is about, such as `connection:12`; empty for a person's pause.
    Column("scope", Text, nullable=False, server_default=""),
    # NULL: until it is released.
    moment_column("until"),
    Column("reason", Text, nullable=False),
    moment_column("held_at", nullable=False, default_now=True),
    PrimaryKeyConstraint("type", "lane", "kind", "scope"),
    CheckConstraint("kind IN ('pause', 'incident', 'budget', 'breaker', 'order')", name="kind"),
    CheckConstraint(within_range("until"), name="until"),
)
Index("lane_holds_by_scope", lane_holds.c.scope, lane_holds.c.kind)

# Notes to dispatch. Appended by whoever makes, frees or does work: nobody waits for a lane's row.
lane_wakes = Table(
    "lane_wakes",
    metadata,
    identity_column(),
    name_column("type"),
    name_column("lane"),
    # "Look at this lane then"; NULL where the note only tells what was used.
    moment_column("due_at"),
    # Seconds used beyond what the lane was charged with at dispatch; and how long how many jobs have run.
    Column("charge", REAL, nullable=False, server_default=text("0")),
    Column("run_seconds", REAL, nullable=False, server_default=text("0")),
    Column("jobs", Integer, nullable=False, server_default=text("0")),
    # How many jobs came to wait, less those that wait no longer; dispatch itself writes none for what it takes.
    Column("pending", Integer, nullable=False, server_default=text("0")),
    postgresql_with={"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000},
)
