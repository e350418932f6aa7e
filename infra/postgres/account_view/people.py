"""The people of an account's mail and calendars: one for each address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import psycopg

from infra.postgres.account_view.paging import LAST_NUMBER, LIMIT, Page, bounded, page_of, position_of
from infra.postgres.rows import rows_as
from retinue.errors import NotFound


class PeopleOrder(StrEnum):
    """Who comes first: who was seen last, or the first name in the alphabet.

    Masked names are all alike: only the other order is of use there.
    """

    LAST_SEEN = "last_seen"
    NAME = "name"


_BEFORE: dict[PeopleOrder, tuple[datetime | str, int]] = {
    PeopleOrder.LAST_SEEN: (datetime.max.replace(tzinfo=UTC), LAST_NUMBER),
    PeopleOrder.NAME: ("", 0),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at an address; `messages` and `events` are how many name it. `sort_name` is in lower case."""

    id: int
    address: str
    name: str | None
    sort_name: str
    messages: int | None
    events: int | None
    first_seen_at: datetime
    last_seen_at: datetime


def view_people(
    connection: psycopg.Connection,
    account_id: int,
    *,
    order: PeopleOrder = PeopleOrder.LAST_SEEN,
    after: str | None = None,
    limit: int = LIMIT,
) -> Page[Person]:
    """The account's people in this order.

    Raises:
        InvalidPayload: `after` is no position of this list.
    """
    limit, (at, last) = bounded(limit), position_of(after, *_BEFORE[order])
    params = {"account_id": account_id, "at": at, "id": last, "limit": limit + 1}
    found = rows_as(connection, Person, f"view_people_by_{order}", params)
    return page_of(found, limit, lambda line: _position(line, order))


def view_person(connection: psycopg.Connection, account_id: int, person_id: int) -> Person:
    """One person.

    Raises:
        NotFound: the account has no such person.
    """
    found = rows_as(connection, Person, "view_person", {"account_id": account_id, "id": person_id})
    if not found:
        raise NotFound(f"There is no person {person_id} in this account.")
    return found[0]


def _position(line: Person, order: PeopleOrder) -> tuple[datetime | str, int]:
    return line.last_seen_at if order is PeopleOrder.LAST_SEEN else line.sort_name, line.id
