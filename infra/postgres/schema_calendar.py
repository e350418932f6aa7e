"""The tables that `calendar.sync` fills: calendars, the objects on the server, and their events in typed columns."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from infra.postgres.schema import ACCOUNT_TABLES, identity_column, metadata, moment_column


def _reference(name: str, target: str) -> Column[int]:
    return Column(name, BigInteger, ForeignKey(target, ondelete="CASCADE"), nullable=False)


calendars = Table(
    "calendars",
    metadata,
    identity_column(),
    _reference("account_id", "accounts.id"),
    _reference("connection_id", "connections.id"),
    Column("url", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("color", Text),
    Column("timezone", Text),
    Column("sync_token", Text),
    Column("ctag", Text),
    moment_column("synced_at"),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("deleted_at"),
    UniqueConstraint("connection_id", "url"),
)

calendar_objects = Table(
    "calendar_objects",
    metadata,
    identity_column(),
    _reference("account_id", "accounts.id"),
    _reference("calendar_id", "calendars.id"),
    Column("href", Text, nullable=False),
    Column("etag", Text),
    Column("uid", Text),
    Column("content_hash", Text, nullable=False),
    Column("raw", Text, nullable=False),
    # Why the object could not be read into events; the raw text is kept all the same.
    Column("problem", Text),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("updated_at", nullable=False, default_now=True),
    moment_column("deleted_at"),
    UniqueConstraint("calendar_id", "href"),
)

# One row for a series' master (recurrence_id '') and one for each instance that was changed on its own.
calendar_events = Table(
    "calendar_events",
    metadata,
    identity_column(),
    _reference("account_id", "accounts.id"),
    _reference("calendar_id", "calendars.id"),
    _reference("object_id", "calendar_objects.id"),
    Column("uid", Text, nullable=False),
    Column("recurrence_id", Text, nullable=False, server_default=""),
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    Column("summary", Text),
    Column("description", Text),
    Column("location", Text),
    Column("url", Text),
    Column("status", Text),
    Column("transparency", Text),
    Column("all_day", Boolean, nullable=False, server_default=text("false")),
    moment_column("starts_at"),
    moment_column("ends_at"),
    Column("start_date", Date),
    Column("end_date", Date),
    Column("timezone", Text),
    Column("rrule", Text),
    Column("rdates", JSONB, nullable=False, server_default=text("'[]'")),
    Column("exdates", JSONB, nullable=False, server_default=text("'[]'")),
    Column("organizer", Text),
    Column("attendees", JSONB, nullable=False, server_default=text("'[]'")),
    moment_column("source_created_at"),
    moment_column("source_modified_at"),
    moment_column("updated_at", nullable=False, default_now=True),
    moment_column("deleted_at"),
    UniqueConstraint("object_id", "recurrence_id"),
)
Index("calendar_events_by_start", calendar_events.c.account_id, calendar_events.c.starts_at)
Index("calendar_events_by_calendar", calendar_events.c.calendar_id)

ACCOUNT_TABLES += ["calendars", "calendar_objects", "calendar_events"]
