"""The tables of groups: jobs that were made together, how far they are, and what follows when all are done."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from infra.postgres.schema import ACCOUNT_TABLES, identity_column, job_history, jobs, metadata, moment_column
from retinue.groups import GroupOutcome, OnFailure


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _words(words: type[GroupOutcome | OnFailure]) -> str:
    return ", ".join(f"'{word}'" for word in words)


# The counts are those of the group's own jobs; those of groups inside it are added when somebody looks.
job_groups = Table(
    "job_groups",
    metadata,
    identity_column(),
    Column("account_id", BigInteger),
    Column("name", Text, nullable=False),
    # The job that made it, and the group which that job belongs to.
    Column("parent_job_id", BigInteger),
    Column("parent_group_id", BigInteger),
    Column("on_failure", Text, nullable=False),
    _count("total"),
    _count("completed"),
    _count("failed"),
    _count("cancelled"),
    # The job to make when all are done, as `infra.postgres.enqueue` would make it.
    Column("follow_up", JSONB),
    Column("follow_up_job_id", BigInteger),
    moment_column("created_at", nullable=False, default_now=True),
    # No more jobs join it.
    moment_column("sealed_at"),
    moment_column("cancel_requested_at"),
    Column("cancel_reason", Text),
    moment_column("finished_at"),
    Column("outcome", Text),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint(f"on_failure IN ({_words(OnFailure)})", name="on_failure"),
    CheckConstraint(f"outcome IN ({_words(GroupOutcome)})", name="outcome"),
    CheckConstraint("(finished_at IS NULL) = (outcome IS NULL)", name="finished"),
    # It ends sealed, with every one of its jobs counted once.
    CheckConstraint(
        "finished_at IS NULL OR sealed_at IS NOT NULL AND completed + failed + cancelled = total", name="complete"
    ),
    CheckConstraint("(cancel_requested_at IS NULL) = (cancel_reason IS NULL)", name="cancel_has_reason"),
    postgresql_with={"fillfactor": 70},
)
# A job that is run again finds the group that its earlier attempt made.
Index(
    "job_groups_one_per_parent",
    job_groups.c.parent_job_id,
    job_groups.c.name,
    unique=True,
    postgresql_where=text("parent_job_id IS NOT NULL"),
)
Index("job_groups_by_parent", job_groups.c.parent_group_id, postgresql_where=text("parent_group_id IS NOT NULL"))
Index("job_groups_followed", job_groups.c.follow_up_job_id, postgresql_where=text("follow_up_job_id IS NOT NULL"))
# The four that the pass looks for, each by an index of nothing else.
Index(
    "job_groups_done",
    job_groups.c.id,
    postgresql_where=text(
        "finished_at IS NULL AND completed + failed + cancelled = total"
        " AND (sealed_at IS NOT NULL OR cancel_requested_at IS NOT NULL)"
    ),
)
Index(
    "job_groups_open",
    job_groups.c.id,
    postgresql_where=text("sealed_at IS NULL AND cancel_requested_at IS NULL AND parent_job_id IS NOT NULL"),
)
Index(
    "job_groups_cancelling",
    job_groups.c.id,
    postgresql_where=text("finished_at IS NULL AND cancel_requested_at IS NOT NULL"),
)
Index("job_groups_finished", job_groups.c.finished_at, postgresql_where=text("finished_at IS NOT NULL"))

# What happened to a group's jobs, appended by the statement that did it: nobody waits for the group's row.
group_notes = Table(
    "group_notes",
    metadata,
    identity_column(),
    Column("group_id", BigInteger, nullable=False),
    _count("total"),
    _count("completed"),
    _count("failed"),
    _count("cancelled"),
    # Why what is left of it is to be cancelled.
    Column("cancel_reason", Text),
    postgresql_with={"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_vacuum_threshold": 2000},
)
Index("group_notes_by_group", group_notes.c.group_id)

Index("jobs_in_group", jobs.c.group_id, jobs.c.id, postgresql_where=text("group_id IS NOT NULL"))
Index("job_history_in_group", job_history.c.group_id, job_history.c.id, postgresql_where=text("group_id IS NOT NULL"))

ACCOUNT_TABLES += ["job_groups"]
