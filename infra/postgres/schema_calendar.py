"""The tables that `calendar.sync` fills: calendars, the objects on the server, their events in typed columns, their
instances, and who is asked to come.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from infra.postgres.schema import ACCOUNT_TABLES, Moment, identity_column, metadata, moment_column


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
    # How many of its objects live; a trigger below keeps it.
    Column("objects", Integer, nullable=False, server_default=text("0")),
    # Series have their instances up to before this day; the sync moves it on daily.
    Column("expanded_until", Date),
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
    # Whether its instances depend on the window of days that is expanded, and whether there may be more after it.
    Column("recurs", Boolean, nullable=False, server_default=text("false")),
    Column("goes_on", Boolean, nullable=False, server_default=text("false")),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("updated_at", nullable=False, default_now=True),
    moment_column("deleted_at"),
    UniqueConstraint("calendar_id", "href"),
)

Index(
    "calendar_objects_going_on",
    calendar_objects.c.calendar_id,
    calendar_objects.c.id,
    postgresql_where=text("goes_on AND deleted_at IS NULL"),
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
    moment_column("source_created_at"),
    moment_column("source_modified_at"),
    moment_column("updated_at", nullable=False, default_now=True),
    moment_column("deleted_at"),
    UniqueConstraint("object_id", "recurrence_id"),
)
Index("calendar_events_by_start", calendar_events.c.account_id, calendar_events.c.starts_at)
Index("calendar_events_by_calendar", calendar_events.c.calendar_id)

# What takes place: an event that does not recur is its own instance, with an empty key; of a series there is one for
# each time within the window. What is cancelled or deleted has none: rows go when they are no longer true.
calendar_instances = Table(
    "calendar_instances",
    metadata,
    _reference("object_id", "calendar_objects.id"),
    # The start that the series gave it: 2026-11-03T14:00:00Z or 2026-11-03.
    Column("instance_key", Text(collation="C"), nullable=False),
    _reference("account_id", "accounts.id"),
    _reference("calendar_id", "calendars.id"),
    # The row that describes it: the series' master or an override.
    _reference("event_id", "calendar_events.id"),
    moment_column("starts_at"),
    moment_column("ends_at"),
    Column("start_date", Date),
    # The day after its last.
    Column("end_date", Date),
    Column("status", Text),
    # When it begins; a whole day, at its first moment in UTC.
    Column(
        "begins_at",
        Moment,
        Computed("coalesce(starts_at, start_date::timestamp AT TIME ZONE 'UTC')", persisted=True),
    ),
    PrimaryKeyConstraint("object_id", "instance_key"),
    CheckConstraint("num_nonnulls(starts_at, ends_at) IN (0, 2) AND ends_at >= starts_at", name="times"),
    CheckConstraint("num_nonnulls(start_date, end_date) IN (0, 2) AND end_date > start_date", name="dates"),
    CheckConstraint("(starts_at IS NULL) <> (start_date IS NULL)", name="times_or_dates"),
)
Index("calendar_instances_by_start", calendar_instances.c.account_id, calendar_instances.c.starts_at)
Index("calendar_instances_by_calendar", calendar_instances.c.calendar_id, calendar_instances.c.starts_at)
Index("calendar_instances_by_event", calendar_instances.c.event_id, calendar_instances.c.begins_at)

# The organizer and everybody asked to come, of live events, in the order of the event's text.
calendar_attendees = Table(
    "calendar_attendees",
    metadata,
    _reference("event_id", "calendar_events.id"),
    Column("position", Integer, nullable=False),
    _reference("account_id", "accounts.id"),
    # None for somebody without a mail address, such as a room that the server names by a URN.
    Column("contact_id", BigInteger, ForeignKey("contacts.id", ondelete="CASCADE")),
    Column("address", Text, nullable=False),
    Column("name", Text),
    Column("role", Text, nullable=False),
    Column("reply", Text),
    # When the event takes place, so that what concerns a contact is found in its order; null where it may do so often.
    moment_column("happens_at"),
    PrimaryKeyConstraint("event_id", "position"),
    CheckConstraint("role IN ('organizer', 'chair', 'required', 'optional', 'non_participant')", name="role"),
    CheckConstraint("reply IN ('needs_action', 'accepted', 'declined', 'tentative', 'delegated')", name="reply"),
    CheckConstraint("role = 'organizer' OR reply IS NOT NULL", name="replies"),
)
Index(
    "calendar_attendees_by_contact",
    calendar_attendees.c.contact_id,
    calendar_attendees.c.happens_at,
    calendar_attendees.c.event_id,
)

#: What SQLAlchemy has no words for.
STATEMENTS = (
    """CREATE FUNCTION count_objects_of_calendars() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE calendars SET objects = calendars.objects + told.more
        FROM (SELECT calendar_id, count(*)::int AS more FROM fresh WHERE deleted_at IS NULL GROUP BY 1) AS told
        WHERE calendars.id = told.calendar_id;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE calendars SET objects = calendars.objects - told.less
        FROM (SELECT calendar_id, count(*)::int AS less FROM gone WHERE deleted_at IS NULL GROUP BY 1) AS told
        WHERE calendars.id = told.calendar_id;
    ELSE
        UPDATE calendars SET objects = calendars.objects + told.more
        FROM (
            SELECT fresh.calendar_id, sum(CASE WHEN fresh.deleted_at IS NULL THEN 1 ELSE -1 END)::int AS more
            FROM fresh
            JOIN gone ON gone.id = fresh.id
            WHERE (fresh.deleted_at IS NULL) <> (gone.deleted_at IS NULL)
            GROUP BY 1
        ) AS told
        WHERE calendars.id = told.calendar_id AND told.more <> 0;
    END IF;
    RETURN NULL;
END $$""",
    *(
        f"CREATE TRIGGER count_objects_on_{event.lower()} AFTER {event} ON calendar_objects REFERENCING {tables}"
        " FOR EACH STATEMENT EXECUTE FUNCTION count_objects_of_calendars()"
        for event, tables in (
            ("INSERT", "NEW TABLE AS fresh"),
            ("UPDATE", "OLD TABLE AS gone NEW TABLE AS fresh"),
            ("DELETE", "OLD TABLE AS gone"),
        )
    ),
)

ACCOUNT_TABLES += [
    "calendars",
    "calendar_objects",
    "calendar_events",
    "calendar_instances",
    "calendar_attendees",
]
