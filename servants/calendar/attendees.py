"""Who organizes events and who is asked to come, in PostgreSQL: rows with replies, joined to the account's contacts.

Only live events have rows, so that a contact's count of events is that of the events it has rows in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from infra.postgres.contacts import Seen, count_contacts, record_participants
from retinue.job import Commit
from servants.calendar.events import EventRow

#: The words of RFC 5545 §3.2.16 in ours; what it does not know counts as REQ-PARTICIPANT.
_ROLES = {"CHAIR": "chair", "OPT-PARTICIPANT": "optional", "NON-PARTICIPANT": "non_participant"}

#: Those of §3.2.12 for events; what it does not know counts as NEEDS-ACTION.
_REPLIES = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative", "DELEGATED": "delegated"}


@dataclass(frozen=True, slots=True)
class _Person:
    """One row to be."""

    event_id: int
    position: int
    address: str
    name: str | None
    role: str
    reply: str | None
    seen_at: datetime
    #: When the event takes place, where that is once.
    happens_at: datetime | None


_COUNTED = """
SELECT contact_id, count(DISTINCT event_id) FROM calendar_attendees
WHERE event_id = ANY(%(event_ids)s) AND contact_id IS NOT NULL
GROUP BY contact_id
"""

_SAVE = """
WITH wanted AS (
    SELECT * FROM unnest(%(events)s::bigint[], %(positions)s::int[], %(contacts)s::bigint[], %(addresses)s::text[],
                         %(names)s::text[], %(roles)s::text[], %(replies)s::text[], %(happens)s::timestamptz[])
        AS person (event_id, position, contact_id, address, name, role, reply, happens_at)
), gone AS (
    DELETE FROM calendar_attendees AS held
    WHERE held.event_id = ANY(%(event_ids)s) AND NOT EXISTS (
        SELECT FROM wanted WHERE wanted.event_id = held.event_id AND wanted.position = held.position
    )
)
INSERT INTO calendar_attendees AS held
    (account_id, event_id, position, contact_id, address, name, role, reply, happens_at)
SELECT %(account_id)s, wanted.* FROM wanted
ON CONFLICT (event_id, position) DO UPDATE
SET contact_id = excluded.contact_id, address = excluded.address, name = excluded.name, role = excluded.role,
    reply = excluded.reply, happens_at = excluded.happens_at
WHERE (held.contact_id, held.address, held.name, held.role, held.reply, held.happens_at)
    IS DISTINCT FROM (
        excluded.contact_id, excluded.address, excluded.name, excluded.role, excluded.reply, excluded.happens_at
    )
"""


def save_attendees(tx: Commit, account_id: int, event_ids: Collection[int], events: Mapping[int, EventRow]) -> None:
    """Make the people of these events those of `events`; an event that is not among them has none any more."""
    people = [person for event_id, event in events.items() for person in _people(event_id, event)]
    params = {"account_id": account_id, "event_ids": list(event_ids)}
    before = Counter(dict(tx.execute(_COUNTED, params).fetchall()))
    contacts = record_participants(tx, account_id, list(_seen(people)))
    tx.execute(_SAVE, params | _columns(people, contacts))
    after = Counter(dict(tx.execute(_COUNTED, params).fetchall()))
    after.subtract(before)
    count_contacts(tx, account_id, after, what="events")


_REMOVE = """
WITH gone AS (
    DELETE FROM calendar_attendees AS held USING calendar_events AS event
    WHERE held.event_id = event.id AND event.{place} = ANY(%(ids)s)
    RETURNING held.event_id, held.contact_id
)
SELECT contact_id, -count(DISTINCT event_id) FROM gone WHERE contact_id IS NOT NULL GROUP BY contact_id
"""
_REMOVE_OF_OBJECTS = _REMOVE.format(place="object_id")
_REMOVE_OF_CALENDARS = _REMOVE.format(place="calendar_id")


def remove_attendees_of_objects(tx: Commit, account_id: int, object_ids: Sequence[int]) -> None:
    """Nobody is asked to deleted objects' events any more."""
    gone = dict(tx.execute(_REMOVE_OF_OBJECTS, {"ids": list(object_ids)}).fetchall())
    count_contacts(tx, account_id, gone, what="events")


def remove_attendees_of_calendars(tx: Commit, account_id: int, calendar_ids: Sequence[int]) -> None:
    """The same for all events of deleted calendars."""
    gone = dict(tx.execute(_REMOVE_OF_CALENDARS, {"ids": list(calendar_ids)}).fetchall())
    count_contacts(tx, account_id, gone, what="events")


def mail_address(address: str) -> str | None:
    """The address as contacts have it, lower-case with its domain in ASCII (RFC 5891); None where it is none."""
    local, at, domain = address.strip().lower().rpartition("@")
    if not at or not local or not domain or any(character.isspace() for character in local + domain):
        return None
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return f"{local}@{domain}"


def _people(event_id: int, event: EventRow) -> Iterator[_Person]:
    seen_at = event.starts_at or datetime.combine(event.start_date or date.min, time(), UTC)
    # What replaces an instance may stand for all that follow it, too.
    recurs = event.rrule or event.rdates or event.recurrence_id is not None
    happens_at = None if recurs else seen_at
    if event.organizer is not None:
        yield _Person(event_id, 0, event.organizer, event.organizer_name, "organizer", None, seen_at, happens_at)
    for position, attendee in enumerate(event.attendees, start=1):
        role, reply = _ROLES.get(attendee["role"], "required"), _REPLIES.get(attendee["status"], "needs_action")
        yield _Person(event_id, position, attendee["email"], attendee["name"], role, reply, seen_at, happens_at)


def _seen(people: Sequence[_Person]) -> Iterator[Seen]:
    for person in people:
        address = mail_address(person.address)
        if address is not None:
            yield Seen(address, person.seen_at, person.name)


def _columns(people: Sequence[_Person], contacts: Mapping[str, int]) -> dict[str, list[int | str | datetime | None]]:
    return {
        "events": [person.event_id for person in people],
        "positions": [person.position for person in people],
        "contacts": [contacts.get(mail_address(person.address) or "") for person in people],
        "addresses": [person.address for person in people],
        "names": [person.name for person in people],
        "roles": [person.role for person in people],
        "replies": [person.reply for person in people],
        "happens": [person.happens_at for person in people],
    }
