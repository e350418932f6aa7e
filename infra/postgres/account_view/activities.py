"""Tasks and events of Salesforce, about an opportunity or with a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from infra.postgres.account_view.paging import LAST_NUMBER, LAST_TEXT, LIMIT, Page, bounded, page_of, position_of
from infra.postgres.account_view.values import moment_of
from infra.postgres.rows import rows_as

#: Before the first line of a list that begins with the latest: its day, its connection, its ID.
BEFORE_ALL = (LAST_TEXT, LAST_NUMBER, LAST_TEXT)


@dataclass(frozen=True, slots=True)
class Activity:
    """A task or an event. `kind` is Task or Event; `happens_on` is its day or moment as Salesforce wrote it."""

    connection_id: int
    external_id: str
    kind: str
    happens_on: str
    subject: str | None
    status: str | None

    @property
    def at(self) -> datetime | None:
        """Its moment, of a day the first in UTC; None where it has none."""
        return moment_of(self.happens_on)

    @property
    def position(self) -> tuple[str, int, str]:
        """Its place among others."""
        return self.happens_on, self.connection_id, self.external_id


def activities_of_opportunity(
    connection: psycopg.Connection,
    account_id: int,
    connection_id: int,
    external_id: str,
    *,
    after: str | None = None,
    limit: int = LIMIT,
) -> Page[Activity]:
    """What was done about an opportunity, the latest first.

    Raises:
        InvalidPayload: `after` is no position of this list.
    """
    limit, position = bounded(limit), position_of(after, *BEFORE_ALL)
    params = {"account_id": account_id, "on": connection_id, "what_id": external_id, "limit": limit + 1}
    found = rows_as(connection, Activity, "view_activities_of_opportunity", params | place(position))
    return page_of(found, limit, lambda line: line.position)


def place(position: tuple[Any, ...]) -> dict[str, Any]:
    """The parameters of a place in a list of records."""
    return dict(zip(("at", "connection_id", "external_id"), position, strict=True))
