"""Calendars in PostgreSQL. Every function runs inside one fenced commit and writes its batch in single statements.

A deletion sets `deleted_at`; the statement that writes a row again clears it. Rows that would not change are not
written, so that `updated_at` says when the data last did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from retinue.connection import Connection
from retinue.job import Commit
from servants.calendar.attendees import (
    remove_attendees_of_calendars,
    remove_attendees_of_objects,
)
from servants.calendar.discovery import RemoteCalendar
from servants.calendar.event_store import rewrite
from servants.calendar.events import ParsedObject
from servants.calendar.instances import remove_instances_of_calendars, remove_instances_of_objects
from servants.calendar.series import Expansion, Window


@dataclass(frozen=True, slots=True)
class StoredCalendar:
    """A calendar's row, as far as a sync needs it."""

    id: int
    account_id: int
    url: str
    sync_token: str | None
    ctag: str | None
    expanded_until: date | None
    synced: bool


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """One member as fetched and parsed, ready to be written."""

    href: str
    etag: str
    parsed: ParsedObject
    expansion: Expansion


_SAVE_CALENDARS = """
INSERT INTO calendars AS calendar (account_id, connection_id, expanded_until, url, name, color, timezone)
SELECT %(account_id)s, %(connection_id)s, %(expanded_until)s, remote.*
FROM unnest(%(urls)s::text[], %(names)s::text[], %(colors)s::text[], %(timezones)s::text[]) AS remote
ON CONFLICT (connection_id, url) DO UPDATE
SET name = excluded.name, color = excluded.color, timezone = excluded.timezone, deleted_at = NULL,
    -- What a deleted calendar held is gone here, so it is listed in full when it returns.
    sync_token = CASE WHEN calendar.deleted_at IS NULL THEN calendar.sync_token END,
    ctag = CASE WHEN calendar.deleted_at IS NULL THEN calendar.ctag END,
    -- In another zone, times without one mean other moments: everything is read again.
    expanded_until = CASE WHEN calendar.deleted_at IS NOT NULL THEN excluded.expanded_until
                          WHEN calendar.timezone IS NOT DISTINCT FROM excluded.timezone THEN calendar.expanded_until END
WHERE (calendar.name, calendar.color, calendar.timezone, calendar.deleted_at)
      IS DISTINCT FROM (excluded.name, excluded.color, excluded.timezone, NULL)
"""

_LOAD_CALENDARS = """
SELECT id, account_id, url, sync_token, ctag, expanded_until, synced_at IS NOT NULL FROM calendars
WHERE connection_id = %(connection_id)s AND url = ANY(%(urls)s::text[])
"""


def save_calendars(
    tx: Commit, connection: Connection, remotes: Sequence[RemoteCalendar], *, window: Window
) -> dict[str, StoredCalendar]:
    """Write what discovery found; every calendar's row by its URL.

    A new one is expanded up to the window's end, for there is nothing in it.
    """
    params = {
        "account_id": connection.account_id,
        "connection_id": connection.id,
        "expanded_until": window.end,
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


def delete_calendars(tx: Commit, connection: Connection, ids: Iterable[int]) -> int:
    """Mark calendars and all they hold as deleted; how many objects that were."""
    params = {"ids": list(ids)}
    if not params["ids"]:
        return 0
    remove_attendees_of_calendars(tx, connection.account_id, params["ids"])
    remove_instances_of_calendars(tx, params["ids"])
    return int(tx.execute(_DELETE_CALENDARS, params).rowcount)


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
        "problems": [item.parsed.problem or item.expansion.problem for item in fetched],
    }
    ids = {href: row_id for row_id, href in tx.execute(_SAVE_OBJECTS, params).fetchall()}
    read = {ids[item.href]: (item.parsed, item.expansion) for item in fetched if item.href in ids}
    rewrite(tx, read, account_id=calendar.account_id, calendar_id=calendar.id)
    return set(ids)


_DELETE_OBJECTS = """
WITH gone AS (
    UPDATE calendar_objects SET deleted_at = now(), updated_at = now()
    WHERE calendar_id = %(calendar_id)s AND href = ANY(%(hrefs)s) AND deleted_at IS NULL
    RETURNING id
), gone_events AS (
    UPDATE calendar_events SET deleted_at = now(), updated_at = now()
    WHERE object_id IN (SELECT id FROM gone) AND deleted_at IS NULL
)
SELECT id FROM gone
"""


def delete_objects(tx: Commit, calendar: StoredCalendar, hrefs: Sequence[str]) -> int:
    """Mark objects and their events as deleted; how many objects that were."""
    if not hrefs:
        return 0
    params = {"calendar_id": calendar.id, "hrefs": list(hrefs)}
    gone = [row[0] for row in tx.execute(_DELETE_OBJECTS, params).fetchall()]
    remove_attendees_of_objects(tx, calendar.account_id, gone)
    remove_instances_of_objects(tx, gone)
    return len(gone)


_SAVE_TOKEN = "UPDATE calendars SET sync_token = %(token)s, ctag = %(ctag)s, synced_at = now() WHERE id = %(id)s"  # noqa: S105 - no password


def save_token(tx: Commit, calendar: StoredCalendar, *, token: str | None, ctag: str | None) -> None:
    """Remember up to where the calendar is in step."""
    tx.execute(_SAVE_TOKEN, {"id": calendar.id, "token": token, "ctag": ctag})


_MARK_SYNCED = "UPDATE calendars SET synced_at = now() WHERE id = ANY(%(ids)s)"


def mark_synced(tx: Commit, ids: Iterable[int]) -> None:
    """Note that these calendars were looked at and had not changed."""
    tx.execute(_MARK_SYNCED, {"ids": list(ids)})


@dataclass(frozen=True, slots=True)
class HeldObject:
    """An object as it is held."""

    id: int
    href: str
    raw: str


#: How much text is read at once: whole objects up to this many bytes, but one at least.
TEXT_BYTES = 4_000_000

# The size of a text is known without reading it.
_TO_EXPAND = """
SELECT sized.id, sized.href, sized.raw
FROM (
    SELECT next.*, sum(octet_length(next.raw)) OVER (ORDER BY next.id) - octet_length(next.raw) AS before
    FROM (
        SELECT id, href, raw FROM calendar_objects
        WHERE calendar_id = %(calendar_id)s AND deleted_at IS NULL AND id > %(after)s {of_them}
        ORDER BY id LIMIT %(limit)s
    ) AS next
) AS sized
WHERE sized.before < %(bytes)s
ORDER BY sized.id
"""
_ALL = _TO_EXPAND.format(of_them="")
_GOING_ON = _TO_EXPAND.format(of_them="AND goes_on")


def objects_to_expand(tx: Commit, calendar: StoredCalendar, *, after: int, limit: int) -> list[HeldObject]:
    """The next live objects, after this ID, whose instances are not known up to the window's end.

    Those that go on after the end of the last window; all of them where it is not known how far the calendar is.
    """
    statement = _ALL if calendar.expanded_until is None else _GOING_ON
    params = {"calendar_id": calendar.id, "after": after, "limit": limit, "bytes": TEXT_BYTES}
    return [HeldObject(*row) for row in tx.execute(statement, params).fetchall()]
