"""What there was with a person, the newest first: mail, meetings, and what Salesforce tells of contacts so addressed.

Three statements, each of which reads at most a page in the order of an index; they are merged here. A position holds
how far each of the three was read, so that no line is shown twice or left out whatever moments they share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from typing import Any

import psycopg

from infra.postgres.account_view.activities import BEFORE_ALL, Activity, place
from infra.postgres.account_view.crm_contacts import MOST_ALIKE
from infra.postgres.account_view.paging import LAST_NUMBER, LIMIT, Page, bounded, position_of, token_of
from infra.postgres.rows import rows_as


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that names the person; `wrote` says whether it is by the person.

    `participants` are everybody it names, once each; `attachments` is whether files are with it.
    """

    at: datetime
    id: int
    subject: str | None
    wrote: bool
    participants: int
    attachments: bool

    @property
    def position(self) -> tuple[datetime, int]:
        """Its place among others."""
        return self.at, self.id


@dataclass(frozen=True, slots=True)
class Meeting:
    """An event, or one time of a series, that the person organizes or is asked to; `at` is its beginning.

    `id` is the event's. `reply` is the person's, None of an organizer who is not asked, too.
    """

    at: datetime
    id: int
    summary: str | None
    all_day: bool
    organizes: bool
    attendees: int
    reply: str | None

    @property
    def position(self) -> tuple[datetime, int]:
        """Its place among others."""
        return self.at, self.id


Entry = Mail | Meeting | Activity

_LATEST = (datetime.max.replace(tzinfo=UTC), LAST_NUMBER)
_FIRST: tuple[Any, ...] = (*_LATEST, *_LATEST, *BEFORE_ALL)
_NEVER = datetime.min.replace(tzinfo=UTC)

_KINDS: tuple[tuple[type[Entry], ...], ...] = ((Mail,), (Meeting,), (Activity,))


def view_timeline(
    connection: psycopg.Connection, account_id: int, person_id: int, *, after: str | None = None, limit: int = LIMIT
) -> Page[Entry]:
    """What there was with the person, and what is to come; what has no moment stands last.

    Raises:
        InvalidPayload: `after` is no position of a timeline.
    """
    limit, given = bounded(limit), position_of(after, *_FIRST)
    positions = [given[:2], given[2:4], given[4:]]
    common = {"account_id": account_id, "person_id": person_id, "limit": limit + 1}
    found = _read(connection, common, positions)
    entries = list(islice(merge(*found, key=_moment, reverse=True), limit))
    if sum(map(len, found)) <= limit:
        return Page(entries, None)
    return Page(entries, token_of(*_reached(entries, positions)))


def _read(
    connection: psycopg.Connection, common: dict[str, Any], positions: Sequence[tuple[Any, ...]]
) -> tuple[list[Entry], list[Entry], list[Entry]]:
    mail, meeting, activity = positions
    names = ("at", "id")
    return (
        [*rows_as(connection, Mail, "view_timeline_mail", common | dict(zip(names, mail, strict=True)))],
        [*rows_as(connection, Meeting, "view_timeline_meetings", common | dict(zip(names, meeting, strict=True)))],
        [*rows_as(connection, Activity, "view_timeline_activities", common | {"alike": MOST_ALIKE} | place(activity))],
    )


def _moment(entry: Entry) -> datetime:
    return entry.at or _NEVER


def _reached(entries: Sequence[Entry], positions: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """How far each of the three is read with these entries."""
    for kind, before in zip(_KINDS, positions, strict=True):
        last = next((entry.position for entry in reversed(entries) if isinstance(entry, kind)), before)
        yield from last
