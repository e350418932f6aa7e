"""The whole schema as DDL: the tables of `schema`, and what SQLAlchemy has no words for."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Enum
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from infra.postgres import (
    schema_access,
    schema_audit,
    schema_calendar,
    schema_email,
    schema_processes,
    schema_records,
    schema_search,
    schema_troubles,
)

# Importing these adds their tables to the metadata.
from infra.postgres import schema_budgets as _budgets  # noqa: F401
from infra.postgres import schema_contacts as _contacts  # noqa: F401
from infra.postgres import schema_costs as _costs  # noqa: F401
from infra.postgres import schema_groups as _groups  # noqa: F401
from infra.postgres import schema_imports as _imports  # noqa: F401
from infra.postgres import schema_keys as _keys  # noqa: F401
from infra.postgres import schema_lanes as _lanes  # noqa: F401
from infra.postgres import schema_people as _people  # noqa: F401
from infra.postgres import schema_queues as _queues  # noqa: F401
from infra.postgres import schema_rollups as _rollups  # noqa: F401
from infra.postgres import schema_unique as _unique  # noqa: F401
from infra.postgres.ddl_access import access_statements
from infra.postgres.schema import job_reason, job_state, metadata

__all__ = ["PARTITIONED", "metadata", "schema_statements"]

#: Tables partitioned by day; `scheduler.retain` makes and drops their partitions.
PARTITIONED = ("job_history", "job_events", "record_changes")


def schema_statements() -> Iterator[str]:
    """Every statement that makes an empty database a Retinue database, in order."""
    yield from (_create_enum(enum) for enum in (job_state, job_reason))
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy leaves this constructor untyped
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect)).strip()
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect)).strip()
    yield from (f"CREATE TABLE {name}_default PARTITION OF {name} DEFAULT" for name in PARTITIONED)
    # Without figures the planner takes every state for a rare one, and so the partial indexes for the way to it. With
    # those of a quiet hour, when most jobs were in flight, it would read the whole table in the flood that follows.
    yield "ALTER TABLE jobs ALTER COLUMN state SET STATISTICS 0"
    yield from schema_calendar.STATEMENTS
    yield from schema_email.STATEMENTS
    yield from schema_records.STATEMENTS
    yield from schema_search.STATEMENTS
    yield from schema_troubles.STATEMENTS
    yield from schema_audit.STATEMENTS
    yield from schema_processes.STATEMENTS
    yield from schema_access.STATEMENTS
    yield from access_statements()


def _create_enum(enum: Enum) -> str:
    return f"CREATE TYPE {enum.name} AS ENUM ({', '.join(repr(value) for value in enum.enums)})"
