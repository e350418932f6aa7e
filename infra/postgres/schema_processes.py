"""The tables of processes: servants and schedulers as they report themselves, and how supervised ones ended."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from infra.postgres.schema import identity_column, metadata, moment_column, name_column
from retinue.servant_requests import ServantRequest

_REQUESTS = ", ".join(f"'{request}'" for request in ServantRequest)

servants = Table(
    "servants",
    metadata,
    identity_column(),
    name_column("type"),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    # What supervisord calls it there; NULL where it was started by hand.
    Column("process", Text),
    Column("version", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="active"),
    Column("slots", Integer, nullable=False),
    Column("busy", Integer, nullable=False, server_default=text("0")),
    # Jobs a second this process can do, as it measured; NULL until it has done some.
    Column("rate", Double),
    Column("memory_bytes", BigInteger),
    Column("current_jobs", JSONB, nullable=False, server_default=text("'[]'")),
    moment_column("started_at", nullable=False, default_now=True),
    moment_column("heartbeat_at", nullable=False, default_now=True),
    moment_column("received_at"),
    # What an operator asked of it, which its next heartbeat brings back.
    Column("request", Text),
    moment_column("requested_at"),
    Column("metrics_port", Integer),
    CheckConstraint("state IN ('active', 'draining', 'stopped', 'lost')", name="state"),
    CheckConstraint(f"request IN ({_REQUESTS})", name="request"),
    CheckConstraint("(request IS NULL) = (requested_at IS NULL)", name="request_has_time"),
    postgresql_with={"fillfactor": 50},
)

schedulers = Table(
    "schedulers",
    metadata,
    identity_column(),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("passes", JSONB, nullable=False, server_default=text("'{}'")),
    Column("metrics_port", Integer),
    moment_column("started_at", nullable=False, default_now=True),
    moment_column("heartbeat_at", nullable=False, default_now=True),
    moment_column("stopped_at"),
)

# How processes ended, as each host's supervisord saw it.
process_exits = Table(
    "process_exits",
    metadata,
    identity_column(),
    Column("host", Text, nullable=False),
    Column("program", Text, nullable=False),
    # One of the program's processes, by supervisord's name.
    Column("process", Text, nullable=False),
    # NULL where it never came to be one.
    Column("pid", Integer),
    Column("kind", Text, nullable=False),
    Column("exit_status", Integer),
    Column("signal", Text),
    Column("servant_id", BigInteger),
    moment_column("at", nullable=False, default_now=True),
    # By itself, asked by supervisord, before its start counted, or no longer started at all.
    CheckConstraint("kind IN ('exited', 'stopped', 'start_failed', 'given_up')", name="kind"),
    # Both are NULL where supervisord's log no longer tells.
    CheckConstraint("num_nonnulls(exit_status, signal) <= 1", name="one_cause"),
)
Index("process_exits_by_process", process_exits.c.host, process_exits.c.process, process_exits.c.at)

#: What SQLAlchemy has no words for. A servant that comes, goes or changes its state is told to the managers, whose open
#: pages show it. It happens seldom: the heartbeats, which happen all the time, change no state.
STATEMENTS = (
    """CREATE FUNCTION tell_pages_of_servants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('retinue_pages', '');
    RETURN NULL;
END $$""",
    "CREATE TRIGGER tell_pages_of_new AFTER INSERT ON servants"
    " FOR EACH STATEMENT EXECUTE FUNCTION tell_pages_of_servants()",
    "CREATE TRIGGER tell_pages_of_state AFTER UPDATE OF state ON servants"
    " FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION tell_pages_of_servants()",
)
