"""What the database holds of an account's calendars, in the same terms as a full read of the CalDAV server."""

from __future__ import annotations

import psycopg

from tests.support.caldav_reader import Occasion, StoredObject, lines, start_text

_OBJECTS = """
SELECT calendars.name, object.href, object.raw
FROM calendar_objects AS object
JOIN calendars ON calendars.id = object.calendar_id
JOIN accounts ON accounts.id = object.account_id
WHERE accounts.name = %s AND object.deleted_at IS NULL AND calendars.deleted_at IS NULL
"""

_MISCOUNTED = """
SELECT calendars.id, calendars.objects
FROM calendars
WHERE calendars.objects <> (
    SELECT count(*) FROM calendar_objects AS object
    WHERE object.calendar_id = calendars.id AND object.deleted_at IS NULL
)
"""

_EVENTS = """
SELECT object.href, event.uid, event.summary, event.starts_at, event.start_date
FROM calendar_events AS event
JOIN calendar_objects AS object ON object.id = event.object_id
JOIN accounts ON accounts.id = event.account_id
WHERE accounts.name = %s AND event.deleted_at IS NULL
"""


def stored_objects(sql: psycopg.Connection, account: str) -> set[StoredObject]:
    """Every live object of the account's calendars, as many as are counted."""
    assert sql.execute(_MISCOUNTED).fetchall() == []
    rows = sql.execute(_OBJECTS, (account,)).fetchall()
    return {StoredObject(calendar, href, lines(raw)) for calendar, href, raw in rows}


def stored_events(sql: psycopg.Connection, account: str) -> dict[str, list[Occasion]]:
    """The live event rows of each object, by its path."""
    found: dict[str, list[Occasion]] = {}
    for href, uid, summary, moment, day in sql.execute(_EVENTS, (account,)):
        found.setdefault(href, []).append(Occasion(uid, summary, start_text(moment or day)))
    return {href: sorted(events) for href, events in found.items()}
