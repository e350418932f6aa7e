"""What was read from objects, in PostgreSQL: their events, and through these their people and instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from retinue.job import Commit
from servants.calendar.attendees import save_attendees
from servants.calendar.events import EventRow, ParsedObject
from servants.calendar.instances import save_instances
from servants.calendar.series import Expansion


def rewrite(
    tx: Commit, objects: Mapping[int, tuple[ParsedObject, Expansion]], *, account_id: int, calendar_id: int
) -> None:
    """Make the events, people and instances of these objects, by their IDs, what was read from them."""
    ids = list(objects)
    events = {
        (object_id, event.recurrence_id or ""): event
        for object_id, (parsed, _) in objects.items()
        for event in parsed.events
    }
    _save_events(tx, events, account_id=account_id, calendar_id=calendar_id)
    _delete_other_events(tx, ids, events)
    event_ids = {(row[1], row[2]): row[0] for row in tx.execute(_EVENT_IDS, {"object_ids": ids}).fetchall()}
    people = {event_ids[key]: event for key, event in events.items()}
    save_attendees(tx, account_id, list(event_ids.values()), people)
    expansions = {object_id: expansion for object_id, (_, expansion) in objects.items()}
    save_instances(tx, expansions, account_id=account_id, calendar_id=calendar_id)


_EVENT_IDS = "SELECT id, object_id, recurrence_id FROM calendar_events WHERE object_id = ANY(%(object_ids)s)"


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


#: Events by their object's ID and their recurrence ID, empty for a master.
_Events = Mapping[tuple[int, str], EventRow]


def _save_events(tx: Commit, events: _Events, *, account_id: int, calendar_id: int) -> None:
    columns: dict[str, list[Any]] = {name: [] for name in _EVENT_COLUMNS}
    for event in events.values():
        for name, value in _event_values(event).items():
            columns[name].append(value)
    params = {
        "account_id": account_id,
        "calendar_id": calendar_id,
        "object_ids": [object_id for object_id, _ in events],
        "recurrence_ids": [recurrence_id for _, recurrence_id in events],
        **columns,
    }
    tx.execute(_SAVE_EVENTS, params)


def _event_values(event: EventRow) -> dict[str, Any]:
    renamed = {
        "rdates": Jsonb(list(event.rdates)),
        "exdates": Jsonb(list(event.exdates)),
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


def _delete_other_events(tx: Commit, written_ids: list[int], events: _Events) -> None:
    """Mark as deleted what a rewritten object no longer holds, such as an override that was taken back."""
    params = {
        "written_ids": written_ids,
        "object_ids": [object_id for object_id, _ in events],
        "recurrence_ids": [recurrence_id for _, recurrence_id in events],
    }
    tx.execute(_DELETE_OTHER_EVENTS, params)
