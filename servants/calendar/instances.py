"""What takes place of calendars' events, in PostgreSQL; and the window of days for which series are followed.

Rows are written by difference: an instance that stays as it was is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from retinue.job import Commit
from servants.calendar.series import Expansion, Instance, Window

#: How far back and ahead of today series have their instances, in days: a year and two.
DAYS_BACK = 366
DAYS_AHEAD = 731


def window_around(today: date) -> Window:
    """The days that are expanded."""
    return Window(today - timedelta(days=DAYS_BACK), today + timedelta(days=DAYS_AHEAD))


def today(tx: Commit) -> date:
    """The day it is in UTC, by the database."""
    day: date = tx.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchone()[0]
    return day


_MARK = """
UPDATE calendar_objects AS object SET recurs = found.recurs, goes_on = found.goes_on
FROM unnest(%(object_ids)s::bigint[], %(recurs)s::bool[], %(goes_on)s::bool[]) AS found (id, recurs, goes_on)
WHERE object.id = found.id AND (object.recurs, object.goes_on) IS DISTINCT FROM (found.recurs, found.goes_on)
"""

_SAVE = """
WITH wanted AS (
    SELECT found.object_id, found.key, event.id AS event_id, found.starts_at, found.ends_at, found.start_date,
           found.end_date, found.status
    FROM unnest(%(objects)s::bigint[], %(keys)s::text[], %(rows)s::text[], %(starts)s::timestamptz[],
                %(ends)s::timestamptz[], %(start_dates)s::date[], %(end_dates)s::date[], %(statuses)s::text[])
        AS found (object_id, key, row, starts_at, ends_at, start_date, end_date, status)
    JOIN calendar_events AS event ON event.object_id = found.object_id AND event.recurrence_id = found.row
), gone AS (
    DELETE FROM calendar_instances AS held
    WHERE held.object_id = ANY(%(object_ids)s) AND NOT EXISTS (
        SELECT FROM wanted WHERE wanted.object_id = held.object_id AND wanted.key = held.instance_key
    )
)
INSERT INTO calendar_instances AS held
    (account_id, calendar_id, object_id, instance_key, event_id, starts_at, ends_at, start_date, end_date, status)
SELECT %(account_id)s, %(calendar_id)s, wanted.* FROM wanted
ON CONFLICT (object_id, instance_key) DO UPDATE
SET event_id = excluded.event_id, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    start_date = excluded.start_date, end_date = excluded.end_date, status = excluded.status
WHERE (held.event_id, held.starts_at, held.ends_at, held.start_date, held.end_date, held.status) IS DISTINCT FROM
      (excluded.event_id, excluded.starts_at, excluded.ends_at, excluded.start_date, excluded.end_date, excluded.status)
"""


def save_instances(tx: Commit, expansions: Mapping[int, Expansion], *, account_id: int, calendar_id: int) -> None:
    """Make the instances of these objects, by their IDs, those of their expansions."""
    found = [(object_id, instance) for object_id, expansion in expansions.items() for instance in expansion.instances]
    params = {
        "account_id": account_id,
        "calendar_id": calendar_id,
        "object_ids": list(expansions),
        "recurs": [expansion.recurs for expansion in expansions.values()],
        "goes_on": [expansion.goes_on for expansion in expansions.values()],
    }
    tx.execute(_MARK, params)
    tx.execute(_SAVE, params | _columns(found))


def _columns(instances: Sequence[tuple[int, Instance]]) -> dict[str, list[Any]]:
    spans = [instance.span for _, instance in instances]
    return {
        "objects": [object_id for object_id, _ in instances],
        "keys": [instance.key for _, instance in instances],
        "rows": [instance.row for _, instance in instances],
        "starts": [span.starts_at for span in spans],
        "ends": [span.ends_at for span in spans],
        "start_dates": [span.start_date for span in spans],
        "end_dates": [span.end_date for span in spans],
        "statuses": [instance.status for _, instance in instances],
    }


def remove_instances_of_objects(tx: Commit, object_ids: Sequence[int]) -> None:
    """Deleted objects take place no more."""
    tx.execute("DELETE FROM calendar_instances WHERE object_id = ANY(%s)", (list(object_ids),))


def remove_instances_of_calendars(tx: Commit, calendar_ids: Sequence[int]) -> None:
    """Nor does anything in deleted calendars."""
    tx.execute("DELETE FROM calendar_instances WHERE calendar_id = ANY(%s)", (list(calendar_ids),))


_FORGET_PAST = """
DELETE FROM calendar_instances AS held USING calendar_objects AS object
WHERE held.calendar_id = %(id)s AND object.id = held.object_id AND object.recurs
  AND (held.starts_at < %(first)s::timestamp AT TIME ZONE 'UTC' OR held.start_date < %(first)s)
"""

_MOVE = "UPDATE calendars SET expanded_until = %(end)s WHERE id = %(id)s"


def finish_window(tx: Commit, calendar_id: int, window: Window) -> None:
    """Forget what series had before the window, and note that all of the calendar is expanded up to its end."""
    tx.execute(_FORGET_PAST, {"id": calendar_id, "first": window.first})
    tx.execute(_MOVE, {"id": calendar_id, "end": window.end})
