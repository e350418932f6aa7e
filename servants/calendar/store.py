"""Calendars in PostgreSQL. Every function runs inside one fenced commit and writes its batch in single statements.

A deletion sets `deleted_at`; the statement that writes a row again clears it. Rows that would not change are not
written, so that `updated_at` says when the data last did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from retinue.connection import Connection
from retinue.job import Commit
from servants.calendar.discovery import RemoteCalendar
from servants.calendar.events import EventRow, ParsedObject


@dataclass(frozen=True, slots=True)
class StoredCalendar:
    """A calendar's row, as far as a sync needs it."""

    id: int
    account_id: int
    url: str
    sync_token: str | None
    ctag: str | None


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """One member as fetched and parsed, ready to be written."""

    href: str
    etag: str
    parsed: ParsedObject


_SAVE_CALENDARS = """
INSERT INTO calendars AS calendar (account_id, connection_id, url, name, color, timezone)
SELECT %(account_id)s, %(connection_id)s, remote.*
FROM unnest(%(urls)s::text[], %(names)s::text[], %(colors)s::text[], %(timezones)s::text[]) AS remote
ON CONFLICT (connection_id, url) DO UPDATE
SET name = excluded.name, color = excluded.color, timezone = excluded.timezone, deleted_at = NULL,
    -- What a deleted calendar held is gone here, so it is listed in full when it returns.
    sync_token = CASE WHEN calendar.deleted_at IS NULL THEN calendar.sync_token END,
    ctag = CASE WHEN calendar.deleted_at IS NULL THEN calendar.ctag END
WHERE (calendar.name, calendar.color, calendar.timezone, calendar.deleted_at)
      IS DISTINCT FROM (excluded.name, excluded.color, excluded.timezone, NULL)
"""

_LOAD_CALENDARS = """
SELECT id, account_id, url, sync_token, ctag FROM calendars
WHERE connection_id = %(connection_id)s AND url = ANY(%(urls)s::text[])
"""


def save_calendars(tx: Commit, connection: Connection, remotes: Sequence[RemoteCalendar]) -> dict[str, StoredCalendar]:
    """Write what discovery found; every calendar's row by its URL."""
    params = {
        "account_id": connection.account_id,
        "connection_id": connection.id,
        "urls": [remote.url for remote in remotes],
        "names": [remote.name for remote in remotes],
        "colors": [remote.color for remote in remotes],
        "timezones": [remote.timezone for remote in remotes],
    }
    tx.execute(_SAVE_CALENDARS, params)
    rows = [StoredCalendar(*row) for row in tx.execute(_LOAD_CALENDARS, params).fetchall()]
    return {row.url: row for row in rows}


_ABSENT_CALENDARS = """
SELECT calendar.id, count(object.id)
FROM calendars AS calendar
LEFT JOIN calendar_objects AS object ON object.calendar_id = calendar.id AND object.deleted_at IS NULL
WHERE calendar.connection_id = %(connection_id)s AND calendar.deleted_at IS NULL
  AND calendar.url <> ALL(%(urls)s::text[])
GROUP BY calendar.id
"""


def absent_calendars(tx: Commit, connection: Connection, urls: Sequence[str]) -> dict[int, int]:
    """The live calendars of the connection whose URL is not among `urls`: how many objects each holds, by id."""
    params = {"connection_id": connection.id, "urls": list(urls)}
    return dict(tx.execute(_ABSENT_CALENDARS, params).fetchall())


_DELETE_CALENDARS = """
WITH gone AS (
    UPDATE calendars SET deleted_at = now() WHERE id = ANY(%(ids)s) AND deleted_at IS NULL
), gone_events AS (
    UPDATE calendar_events SET deleted_at = now(), updated_at = now()
    WHERE calendar_id = ANY(%(ids)s) AND deleted_at IS NULL
)
UPDATE calendar_objects SET deleted_at = now(), updated_at = now()
WHERE calendar_id = ANY(%(ids)s) AND deleted_at IS NULL
"""


def delete_calendars(tx: Commit, ids: Iterable[int]) -> int:
    """Mark calendars and all they hold as deleted; how many objects that were."""
    return int(tx.execute(_DELETE_CALENDARS, {"ids": list(ids)}).rowcount)


_KNOWN = "SELECT href, coalesce(etag, '') FROM calendar_objects WHERE calendar_id = %(id)s AND deleted_at IS NULL"
_KNOWN_AMONG = f"{_KNOWN} AND href = ANY(%(hrefs)s)"


def known_objects(tx: Commit, calendar: StoredCalendar, hrefs: Iterable[str] | None = None) -> dict[str, str]:
    """The live objects of a calendar, or those among `hrefs`: their etags, by href."""
    if hrefs is None:
        return dict(tx.execute(_KNOWN, {"id": calendar.id}).fetchall())
    return dict(tx.execute(_KNOWN_AMONG, {"id": calendar.id, "hrefs": list(hrefs)}).fetchall())


_SAVE_OBJECTS = """
INSERT INTO calendar_objects AS object (account_id, calendar_id, href, etag, uid, content_hash, raw, problem)
SELECT %(account_id)s, %(calendar_id)s, fetched.*
FROM unnest(%(hrefs)s::text[], %(etags)s::text[], %(uids)s::text[], %(hashes)s::text[], %(raws)s::text[],
            %(problems)s::text[]) AS fetched
ON CONFLICT (calendar_id, href) DO UPDATE
SET etag = excluded.etag, uid = excluded.uid, content_hash = excluded.content_hash, raw = excluded.raw,
    problem = excluded.problem, updated_at = now(), deleted_at = NULL
WHERE (object.etag, object.content_hash, object.problem, object.deleted_at)
      IS DISTINCT FROM (excluded.etag, excluded.content_hash, excluded.problem, NULL)
RETURNING id, href
"""


def save_objects(tx: Commit, calendar: StoredCalendar, fetched: Sequence[FetchedObject]) -> set[str]:
    """Write objects and their events; the hrefs of those that differed from what was held."""
    if not fetched:
        return set()
    params = {
        "account_id": calendar.account_id,
        "calendar_id": calendar.id,
        "hrefs": [item.href for item in fetched],
        "etags": [item.etag for item in fetched],
        "uids": [item.parsed.uid for item in fetched],
        "hashes": [item.parsed.content_hash for item in fetched],
        "raws": [item.parsed.raw for item in fetched],
        "problems": [item.parsed.problem for item in fetched],
    }
    ids = {href: row_id for row_id, href in tx.execute(_SAVE_OBJECTS, params).fetchall()}
    events = [(ids[item.href], event) for item in fetched if item.href in ids for event in item.parsed.events]
    _save_events(tx, calendar, events)
    _delete_other_events(tx, list(ids.values()), events)
    return set(ids)


#: The columns of an event that come from its text, in the order of the statement below, with their types there.
_EVENT_COLUMNS = {
    "uid": "text",
    "sequence": "int",
    "summary": "text",
    "description": "text",
    "location": "text",
    "url": "text",
    "status": "text",
    "transparency": "text",
    "all_day": "bool",
    "starts_at": "timestamptz",
    "ends_at": "timestamptz",
    "start_date": "date",
    "end_date": "date",
    "timezone": "text",
    "rrule": "text",
    "rdates": "jsonb",
    "exdates": "jsonb",
    "organizer": "text",
    "attendees": "jsonb",
    "source_created_at": "timestamptz",
    "source_modified_at": "timestamptz",
}

_NAMES = ", ".join(_EVENT_COLUMNS)

# The column names are the constants above.
_SAVE_EVENTS = f"""
INSERT INTO calendar_events AS event (account_id, calendar_id, object_id, recurrence_id, {_NAMES})
SELECT %(account_id)s, %(calendar_id)s, parsed.*
FROM unnest(%(object_ids)s::bigint[], %(recurrence_ids)s::text[],
            {", ".join(f"%({name})s::{kind}[]" for name, kind in _EVENT_COLUMNS.items())}) AS parsed
ON CONFLICT (object_id, recurrence_id) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in _EVENT_COLUMNS)}, updated_at = now(), deleted_at = NULL
WHERE ({", ".join(f"event.{name}" for name in _EVENT_COLUMNS)}, event.deleted_at)
      IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _EVENT_COLUMNS)}, NULL)
"""  # noqa: S608 - no value of anyone else's is in it


def _save_events(tx: Commit, calendar: StoredCalendar, events: Sequence[tuple[int, EventRow]]) -> None:
    columns: dict[str, list[Any]] = {name: [] for name in _EVENT_COLUMNS}
    for _, event in events:
        for name, value in _event_values(event).items():
            columns[name].append(value)
    params = {
        "account_id": calendar.account_id,
        "calendar_id": calendar.id,
        "object_ids": [object_id for object_id, _ in events],
        "recurrence_ids": [event.recurrence_id or "" for _, event in events],
        **columns,
    }
    tx.execute(_SAVE_EVENTS, params)


def _event_values(event: EventRow) -> dict[str, Any]:
    renamed = {
        "rdates": Jsonb(list(event.rdates)),
        "exdates": Jsonb(list(event.exdates)),
        "attendees": Jsonb(list(event.attendees)),
        "source_created_at": event.created_at,
        "source_modified_at": event.modified_at,
    }
    return {name: renamed[name] if name in renamed else getattr(event, name) for name in _EVENT_COLUMNS}


_DELETE_OTHER_EVENTS = """
UPDATE calendar_events AS event SET deleted_at = now(), updated_at = now()
WHERE event.object_id = ANY(%(written_ids)s) AND event.deleted_at IS NULL
  AND NOT EXISTS (
      SELECT FROM unnest(%(object_ids)s::bigint[], %(recurrence_ids)s::text[]) AS present (object_id, recurrence_id)
      WHERE present.object_id = event.object_id AND present.recurrence_id = event.recurrence_id
  )
"""


def _delete_other_events(tx: Commit, written_ids: list[int], events: Sequence[tuple[int, EventRow]]) -> None:
    """Mark as deleted what a rewritten object no longer holds, such as an override that was taken back."""
    params = {
        "written_ids": written_ids,
        "object_ids": [object_id for object_id, _ in events],
        "recurrence_ids": [event.recurrence_id or "" for _, event in events],
    }
    tx.execute(_DELETE_OTHER_EVENTS, params)


_DELETE_OBJECTS = """
WITH gone AS (
    UPDATE calendar_objects SET deleted_at = now(), updated_at = now()
    WHERE calendar_id = %(calendar_id)s AND href = ANY(%(hrefs)s) AND deleted_at IS NULL
    RETURNING id
), gone_events AS (
    UPDATE calendar_events SET deleted_at = now(), updated_at = now()
    WHERE object_id IN (SELECT id FROM gone) AND deleted_at IS NULL
)
SELECT count(*) FROM gone
"""


def delete_objects(tx: Commit, calendar: StoredCalendar, hrefs: Sequence[str]) -> int:
    """Mark objects and their events as deleted; how many objects that were."""
    if not hrefs:
        return 0
    params = {"calendar_id": calendar.id, "hrefs": list(hrefs)}
    return int(tx.execute(_DELETE_OBJECTS, params).fetchone()[0])


_SAVE_TOKEN = "UPDATE calendars SET sync_token = %(token)s, ctag = %(ctag)s, synced_at = now() WHERE id = %(id)s"  # noqa: S105 - no password


def save_token(tx: Commit, calendar: StoredCalendar, *, token: str | None, ctag: str | None) -> None:
    """Remember up to where the calendar is in step."""
    tx.execute(_SAVE_TOKEN, {"id": calendar.id, "token": token, "ctag": ctag})


_MARK_SYNCED = "UPDATE calendars SET synced_at = now() WHERE id = ANY(%(ids)s)"


def mark_synced(tx: Commit, ids: Iterable[int]) -> None:
    """Note that these calendars were looked at and had not changed."""
    tx.execute(_MARK_SYNCED, {"ids": list(ids)})
