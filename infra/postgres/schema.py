"""The tables of the engine, defined once. Alembic's migrations are compared with them in a test.

Synced data has tables of its own in `infra.postgres.schema_calendar`, `schema_email` and `schema_contacts`. Every table
that holds account data carries `account_id` and is listed in `ACCOUNT_TABLES`, which row-level security covers.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from retinue.states import TRANSITIONS, JobState, Reason, arrivals

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

Moment = TIMESTAMP(timezone=True)
job_state = Enum(*[state.value for state in JobState], name="job_state", metadata=metadata)
job_reason = Enum(*[reason.value for reason in Reason], name="job_reason", metadata=metadata)


def identity_column() -> Column[int]:
    """A bigint key the database counts up."""
    return Column("id", BigInteger, Identity(always=False), primary_key=True)


def moment_column(name: str, *, nullable: bool = True, default_now: bool = False) -> Column[object]:
    """A point in time, with time zone."""
    return Column(name, Moment, nullable=nullable, server_default=func.now() if default_now else None)


def name_column(name: str, **options: Any) -> Column[str]:
    """A type or a lane: an identifier, compared byte by byte, which is several times faster than a language's order."""
    return Column(name, Text(collation="C"), nullable=False, **options)


def _state_reason_check() -> str:
    listed = {state: ", ".join(f"'{reason}'" for reason in sorted(reasons)) for state, reasons in arrivals().items()}
    return " OR ".join(f"state = '{state}' AND reason IN ({reasons})" for state, reasons in listed.items())


def _transition_check() -> str:
    rows = sorted(TRANSITIONS)
    return " OR ".join(f"from_state = '{s}' AND to_state = '{t}' AND reason = '{r}'" for s, t, r in rows)


def within_range(*columns: str) -> str:
    return " AND ".join(f"{column} BETWEEN '1970-01-01 00:00:00+00' AND '9000-01-01 00:00:00+00'" for column in columns)


def _job_columns() -> list[Column[Any]]:
    """What a job carries from the day it is made into its history."""
    return [
        name_column("type"),
        Column("account_id", BigInteger),
        name_column("lane"),
        Column("priority", SmallInteger, nullable=False, server_default=text("5")),
        Column("state", job_state, nullable=False, server_default=JobState.PENDING.value),
        Column("reason", job_reason, nullable=False, server_default=Reason.ENQUEUE.value),
        Column("attempt", Integer, nullable=False, server_default=text("0")),
        Column("failures", Integer, nullable=False, server_default=text("0")),
        Column("deaths", SmallInteger, nullable=False, server_default=text("0")),
        moment_column("created_at", nullable=False, default_now=True),
        moment_column("run_at", nullable=False, default_now=True),
        moment_column("queued_at"),
        moment_column("claimed_at"),
        Column("servant_id", BigInteger),
        Column("schedule_id", BigInteger),
        moment_column("fire_at"),
        Column("retry_of", BigInteger),
        Column("group_id", BigInteger),
        Column("request_id", Text),
        Column("unique_key", Text),
        Column("payload", JSONB, nullable=False, server_default=text("'{}'")),
        Column("checkpoint", JSONB),
        Column("progress_done", BigInteger),
        Column("progress_total", BigInteger),
        Column("error", JSONB),
        moment_column("cancel_requested_at"),
    ]


accounts = Table(
    "accounts",
    metadata,
    identity_column(),
    Column("name", Text, nullable=False, unique=True),
    moment_column("created_at", nullable=False, default_now=True),
    # Whether operators may look at it as its people do: at any time, each time with leave, or never.
    Column("assume_policy", Text, nullable=False, server_default="allowed"),
    # Its erasure has begun: it goes, with all that it has.
    moment_column("erasing_at"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint("assume_policy IN ('allowed', 'approval', 'off')", name="assume_policy"),
)

connections = Table(
    "connections",
    metadata,
    identity_column(),
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("config", JSONB, nullable=False),
    # Sealed by infra.secrets; never leaves the database in the clear.
    Column("credentials", LargeBinary, nullable=False),
    Column("state", Text, nullable=False, server_default="active"),
    Column("problem", Text),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("updated_at", nullable=False, default_now=True),
    UniqueConstraint("account_id", "provider", "name"),
    # A broken connection says what is wrong; an active one has no problem.
    CheckConstraint("state IN ('active', 'broken')", name="state"),
    CheckConstraint("(state = 'broken') = (problem IS NOT NULL)", name="broken_has_problem"),
)

job_types = Table(
    "job_types",
    metadata,
    name_column("type", primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("timeout_seconds", Double, nullable=False),
    # Jobs of one lane, and of the whole type, that may be queued or running at once.
    Column("lane_limit", Integer),
    Column("type_limit", Integer),
    # What its code says they are; an operator's own stand beside, and starting a servant leaves them alone.
    Column("declared_lane_limit", Integer),
    Column("declared_type_limit", Integer),
    Column("limits_by_hand", Boolean, nullable=False, server_default=text("false")),
    # Lanes run in strict order, and this becomes of a lane whose head has failed for good.
    Column("order_policy", Text),
    # The virtual time of the lanes now served: one that wakes begins here, with no claim from when it slept.
    Column("virtual_time", Double, nullable=False, server_default=text("0")),
    moment_column("paused_at"),
    moment_column("updated_at", nullable=False, default_now=True),
    CheckConstraint("lane_limit >= 1", name="lane_limit"),
    CheckConstraint("type_limit >= 1", name="type_limit"),
    CheckConstraint("order_policy IN ('hold', 'park', 'skip')", name="order_policy"),
)

# account_id has no foreign key here: checking it would lock the account's row once per job, on the hottest path.
jobs = Table(
    "jobs",
    metadata,
    identity_column(),
    *_job_columns(),
    moment_column("lease_until"),
    # This attempt has begun although the servants before died with the job: if its servant dies, too, it is poison.
    Column("on_trial", Boolean, nullable=False, server_default=text("false")),
    # Its type runs in strict order: it starts when no older job of its lane is unfinished.
    Column("ordered", Boolean, nullable=False, server_default=text("false")),
    # The unique key is held only while the job waits: a claim gives it up.
    Column("unique_waiting", Boolean, nullable=False, server_default=text("false")),
    # Seconds that its lane was charged with when it was dispatched.
    Column("charged_seconds", REAL, nullable=False, server_default=text("0")),
    Column("traceparent", Text),
    CheckConstraint(_state_reason_check(), name="state_reason"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
    # A running job, and no other, has a servant and a lease.
    CheckConstraint(
        "(state = 'running') = (lease_until IS NOT NULL) AND (lease_until IS NULL OR servant_id IS NOT NULL)",
        name="lease",
    ),
    # This table holds unfinished jobs only.
    CheckConstraint("state IN ('pending', 'queued', 'running')", name="unfinished"),
    # A tick of a schedule makes one job, whoever makes it.
    CheckConstraint("(schedule_id IS NULL) = (fire_at IS NULL)", name="fire"),
    postgresql_with={
        "fillfactor": 70,
        "autovacuum_vacuum_scale_factor": 0.02,
        "autovacuum_vacuum_threshold": 2000,
        "autovacuum_vacuum_cost_delay": 0,
    },
)
Index(
    "jobs_for_dispatch",
    jobs.c.type,
    jobs.c.lane,
    jobs.c.priority,
    jobs.c.run_at,
    jobs.c.id,
    postgresql_where=text("state = 'pending'"),
)
Index("jobs_in_flight", jobs.c.type, jobs.c.lane, postgresql_where=text("state IN ('queued', 'running')"))
Index("jobs_in_order", jobs.c.type, jobs.c.lane, jobs.c.id, postgresql_where=text("ordered"))
Index("jobs_one_per_key", jobs.c.type, jobs.c.unique_key, unique=True, postgresql_where=text("unique_key IS NOT NULL"))
Index(
    "jobs_one_per_fire",
    jobs.c.schedule_id,
    jobs.c.fire_at,
    unique=True,
    postgresql_where=text("schedule_id IS NOT NULL"),
)

job_history = Table(
    "job_history",
    metadata,
    Column("id", BigInteger, nullable=False),
    *_job_columns(),
    moment_column("finished_at", nullable=False),
    Column("run_seconds", Double),
    Column("result", JSONB),
    PrimaryKeyConstraint("id", "finished_at"),
    CheckConstraint(_state_reason_check(), name="state_reason"),
    CheckConstraint("state IN ('completed', 'failed', 'cancelled')", name="finished"),
    postgresql_partition_by="RANGE (finished_at)",
)
Index("job_history_by_type", job_history.c.type, job_history.c.finished_at)
# By a job that ended, whether it was run again.
Index("job_history_retries", job_history.c.retry_of, postgresql_where=text("retry_of IS NOT NULL"))
# What a schedule made.
Index(
    "job_history_by_schedule",
    job_history.c.schedule_id,
    job_history.c.finished_at,
    postgresql_where=text("schedule_id IS NOT NULL"),
)
Index(
    "job_history_by_account",
    job_history.c.account_id,
    job_history.c.finished_at,
    postgresql_where=text("account_id IS NOT NULL"),
)
# The few that did not complete are what people look for: all of them, by type, by account, by what went wrong.
_NOT_COMPLETED = text("state <> 'completed'")
Index("job_history_not_completed", job_history.c.finished_at, postgresql_where=_NOT_COMPLETED)
Index("job_history_failed_type", job_history.c.type, job_history.c.finished_at, postgresql_where=_NOT_COMPLETED)
Index(
    "job_history_failed_account", job_history.c.account_id, job_history.c.finished_at, postgresql_where=_NOT_COMPLETED
)
Index(
    "job_history_fingerprint",
    text("(error ->> 'fingerprint')"),
    job_history.c.finished_at,
    postgresql_where=_NOT_COMPLETED,
)

# The happy path shows in a job's own times; every other change of state leaves a row here.
job_events = Table(
    "job_events",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    moment_column("at", nullable=False, default_now=True),
    Column("attempt", Integer, nullable=False),
    Column("account_id", BigInteger),
    Column("from_state", job_state, nullable=False),
    Column("to_state", job_state, nullable=False),
    Column("reason", job_reason, nullable=False),
    Column("detail", JSONB),
    # Of an attempt that failed: its servant, how long it ran, the traceback and the last log lines.
    Column("evidence", JSONB),
    CheckConstraint(_transition_check(), name="transition"),
    postgresql_partition_by="RANGE (at)",
)
Index("job_events_by_job", job_events.c.job_id, job_events.c.at)

schedules = Table(
    "schedules",
    metadata,
    identity_column(),
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE")),
    name_column("type"),
    Column("name", Text, nullable=False),
    Column("cron", Text),
    Column("every_seconds", Double),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    Column("jitter_seconds", Double, nullable=False, server_default=text("0")),
    Column("catch_up", Integer, nullable=False, server_default=text("1")),
    Column("overlap", Text, nullable=False, server_default="skip"),
    Column("payload", JSONB, nullable=False, server_default=text("'{}'")),
    name_column("lane"),
    Column("priority", SmallInteger, nullable=False, server_default=text("5")),
    Column("state", Text, nullable=False, server_default="active"),
    Column("problem", Text),
    moment_column("starts_at", nullable=False, default_now=True),
    moment_column("next_fire_at"),
    moment_column("last_fire_at"),
    moment_column("created_at", nullable=False, default_now=True),
    UniqueConstraint("account_id", "type", "name", postgresql_nulls_not_distinct=True),
    CheckConstraint("(cron IS NULL) <> (every_seconds IS NULL)", name="one_rule"),
    # The upper bounds are `retinue.schedule`'s; they keep out infinity and NaN, which is more than any number.
    CheckConstraint("every_seconds BETWEEN 1 AND 31622400", name="every_seconds"),
    CheckConstraint("jitter_seconds BETWEEN 0 AND 86400", name="jitter"),
    # Plan reads a thousand schedules at once: none may hold a time that Python cannot.
    CheckConstraint(within_range("starts_at", "next_fire_at", "last_fire_at"), name="times"),
    CheckConstraint("catch_up BETWEEN 1 AND 100", name="catch_up"),
    # What no index of jobs can hold would stop plan, and with it every schedule.
    CheckConstraint("octet_length(type) <= 100 AND octet_length(lane) <= 2000", name="indexable"),
    CheckConstraint("overlap IN ('skip', 'allow')", name="overlap"),
    CheckConstraint("state IN ('active', 'paused')", name="state"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
)
Index("schedules_due", schedules.c.next_fire_at, postgresql_where=text("state = 'active' AND next_fire_at IS NOT NULL"))

# Figures about the past, kept as jobs finish. Sharded by servant so that two never wait for one row.
job_rollups = Table(
    "job_rollups",
    metadata,
    moment_column("minute", nullable=False),
    name_column("type"),
    Column("state", job_state, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("jobs", BigInteger, nullable=False),
    Column("run_seconds", Double, nullable=False),
    Column("wait_seconds", Double, nullable=False),
    PrimaryKeyConstraint("minute", "type", "state", "shard"),
    postgresql_with={"fillfactor": 50},
)

# What system.echo writes when asked for an effect: no key, so that an effect done twice shows.
echoes = Table(
    "echoes",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("account_id", BigInteger),
    Column("message", Text, nullable=False),
    moment_column("at", nullable=False, default_now=True),
)

#: Tables that row-level security confines to one account for `ACCOUNT_ROLE`.
ACCOUNT_TABLES = ["connections", "jobs", "job_history", "job_events", "schedules", "echoes"]
