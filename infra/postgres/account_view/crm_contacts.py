"""The contacts of an account's Salesforce orgs, each with the person of the same address in its mail and calendars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import psycopg

from infra.postgres.account_view.activities import place
from infra.postgres.account_view.paging import LAST_NUMBER, LAST_TEXT, LIMIT, Page, bounded, page_of, position_of
from infra.postgres.account_view.values import moment_of_version
from infra.postgres.rows import rows_as
from retinue.errors import NotFound

#: The most contacts of one person that are looked at.
MOST_ALIKE = 50


class CrmContactOrder(StrEnum):
    """What comes first: what was changed last, or the first name in the alphabet.

    Masked names are all alike: only the other order is of use there.
    """

    CHANGE = "change"
    NAME = "name"


_BEFORE: dict[CrmContactOrder, tuple[int | str, int, str]] = {
    CrmContactOrder.CHANGE: (LAST_NUMBER, LAST_NUMBER, LAST_TEXT),
    CrmContactOrder.NAME: ("", 0, ""),
}


@dataclass(frozen=True, slots=True)
class CrmContact:
    """One contact. `company` is its account's name; `person_id` is whom the account writes to at that address.

    `sort_name` is the name in lower case, and `modified` as it is stored: read `changed_at`.
    """

    connection_id: int
    external_id: str
    modified: int
    sort_name: str
    name: str | None
    email: str | None
    title: str | None
    phone: str | None
    company: str | None
    person_id: int | None

    @property
    def changed_at(self) -> datetime | None:
        """When it was last changed at the provider."""
        return moment_of_version(self.modified)


def view_crm_contacts(
    connection: psycopg.Connection,
    account_id: int,
    *,
    order: CrmContactOrder = CrmContactOrder.CHANGE,
    after: str | None = None,
    limit: int = LIMIT,
) -> Page[CrmContact]:
    """The contacts of the account's orgs in this order.

    Raises:
        InvalidPayload: `after` is no position of this list.
    """
    limit, position = bounded(limit), position_of(after, *_BEFORE[order])
    params = {"account_id": account_id, "limit": limit + 1} | place(position)
    found = rows_as(connection, CrmContact, f"view_crm_contacts_by_{order}", params)
    return page_of(found, limit, lambda line: _position(line, order))


def view_crm_contact(
    connection: psycopg.Connection, account_id: int, connection_id: int, external_id: str
) -> CrmContact:
    """One contact.

    Raises:
        NotFound: the account has no such contact.
    """
    params = {"account_id": account_id, "connection_id": connection_id, "external_id": external_id}
    found = rows_as(connection, CrmContact, "view_crm_contact", params)
    if not found:
        raise NotFound(f"There is no contact {external_id} in this account.")
    return found[0]


def crm_contacts_of_person(connection: psycopg.Connection, account_id: int, person_id: int) -> list[CrmContact]:
    """The contacts with a person's address, in whatever case it is written; at most `MOST_ALIKE`."""
    params = {"account_id": account_id, "person_id": person_id, "limit": MOST_ALIKE}
    return rows_as(connection, CrmContact, "view_crm_contacts_of_person", params)


def _position(line: CrmContact, order: CrmContactOrder) -> tuple[int | str, int, str]:
    first = line.modified if order is CrmContactOrder.CHANGE else line.sort_name
    return first, line.connection_id, line.external_id
