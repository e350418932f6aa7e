"""What a CalDAV server holds of a user, read in full and worked out by others' code, and what PostgreSQL holds of it.

Texts are read by plain HTTP, events by icalendar, and what takes place by recurring-ical-events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import psycopg
import recurring_ical_events

from tests.support.caldav_reader import StoredObject, read_objects
from tests.support.radicale_server import Hand
from tests.support.stored_calendars import stored_objects


@dataclass(frozen=True, order=True)
class Occurrence:
    """Something that takes place: its object's path, its title, its start and end in ISO 8601."""

    href: str
    title: str
    start: str
    end: str


@dataclass(frozen=True, order=True)
class Part:
    """Somebody's part in an event."""

    href: str
    title: str
    address: str
    role: str
    reply: str | None


@dataclass(frozen=True)
class Holdings:
    """All that is compared. `seen` is in how many events somebody has a part."""

    objects: frozenset[StoredObject]
    occurrences: frozenset[Occurrence]
    parts: Counter[Part]
    seen: dict[str, int]

    def differences(self, other: Holdings) -> list[str]:
        """What one has and the other has not, a few of each kind."""
        pairs: list[tuple[set[Any], set[Any]]] = [
            (set(self.objects), set(other.objects)),
            (set(self.occurrences), set(other.occurrences)),
            (set(self.parts.items()), set(other.parts.items())),
            (set(self.seen.items()), set(other.seen.items())),
        ]
        return [
            f"{'server' if ours else 'database'} only: {one}"
            for mine, theirs in pairs
            for ours, found in ((True, mine - theirs), (False, theirs - mine))
            for one in sorted(found)[:3]
        ]


def on_server(hand: Hand, first: date, end: date) -> Holdings:
    """A full read; series are followed from `first` to before `end`."""
    objects = frozenset(read_objects(hand.base_url, hand.username, hand.password))
    parsed = [(found.href, icalendar.Calendar.from_ical("\r\n".join(found.lines))) for found in objects]
    occurrences = {one for href, calendar in parsed for one in occurrences_of(href, calendar, first, end)}
    seen: Counter[str] = Counter()
    parts: Counter[Part] = Counter()
    for href, calendar in parsed:
        for event in calendar.walk("VEVENT"):
            mine = list(_parts(href, event))
            parts.update(mine)
            seen.update({part.address for part in mine})
    return Holdings(objects, frozenset(occurrences), parts, dict(seen))


def occurrences_of(href: str, calendar: Any, first: date, end: date) -> Iterator[Occurrence]:
    """What takes place of one object, by recurring-ical-events; of a series from `first` to before `end`."""
    recurs = any("RRULE" in event for event in calendar.walk("VEVENT"))
    found = recurring_ical_events.of(calendar, keep_recurrence_attributes=True)
    # What does not recur takes place whenever it is; a series is asked for a little more than is kept.
    around = (first - timedelta(days=3), end + timedelta(days=3)) if recurs else (date(1990, 1, 1), date(2050, 1, 1))
    for event in found.between(*around):
        start = event["DTSTART"].dt
        day = start.astimezone(UTC).date() if isinstance(start, datetime) else start
        if event.get("STATUS") != "CANCELLED" and (not recurs or first <= day < end):
            yield Occurrence(href, str(event["SUMMARY"]), _text(start), _text(event["DTEND"].dt))


def _text(moment: date) -> str:
    return moment.astimezone(UTC).isoformat() if isinstance(moment, datetime) else moment.isoformat()


def _parts(href: str, event: Any) -> Iterator[Part]:
    title = str(event["SUMMARY"])
    if "ORGANIZER" in event:
        yield Part(href, title, str(event["ORGANIZER"]).removeprefix("mailto:"), "organizer", None)
    found = event.get("ATTENDEE", [])
    for person in found if isinstance(found, list) else [found]:
        reply = person.params["PARTSTAT"].lower().replace("-", "_")
        yield Part(href, title, person.removeprefix("mailto:"), "required", reply)


_OCCURRENCES = """
SELECT object.href, event.summary, instance.starts_at, instance.ends_at, instance.start_date, instance.end_date
FROM calendar_instances AS instance
JOIN calendar_objects AS object ON object.id = instance.object_id
JOIN calendar_events AS event ON event.id = instance.event_id AND event.deleted_at IS NULL
JOIN accounts ON accounts.id = instance.account_id
WHERE accounts.name = %s
"""

_PARTS = """
SELECT object.href, event.summary, attendee.address, attendee.role, attendee.reply
FROM calendar_attendees AS attendee
JOIN calendar_events AS event ON event.id = attendee.event_id
JOIN calendar_objects AS object ON object.id = event.object_id
JOIN accounts ON accounts.id = attendee.account_id
WHERE accounts.name = %s
"""

_SEEN = """
SELECT address, events FROM contacts JOIN accounts ON accounts.id = contacts.account_id
WHERE accounts.name = %s AND events <> 0
"""


_MISTIMED = """
SELECT attendee.event_id, attendee.happens_at, array_agg(instance.begins_at)
FROM calendar_attendees AS attendee
JOIN calendar_instances AS instance ON instance.event_id = attendee.event_id
WHERE attendee.happens_at IS NOT NULL
GROUP BY attendee.event_id, attendee.position
HAVING array_agg(instance.begins_at) <> ARRAY[attendee.happens_at]
"""


def in_database(sql: psycopg.Connection, account: str) -> Holdings:
    """The same, of what is stored for the account."""
    occurrences = [
        Occurrence(href, title, _text(moment or day), _text(ends or last))
        for href, title, moment, ends, day, last in sql.execute(_OCCURRENCES, (account,))
    ]
    instances = sql.execute("SELECT count(*) FROM calendar_instances").fetchone()
    assert instances == (len(occurrences),), "an instance belongs to an event that is deleted"
    assert sql.execute(_MISTIMED).fetchall() == [], "what takes place once does so at another moment"
    return Holdings(
        frozenset(stored_objects(sql, account)),
        frozenset(occurrences),
        Counter(Part(*row) for row in sql.execute(_PARTS, (account,))),
        dict(sql.execute(_SEEN, (account,)).fetchall()),
    )
