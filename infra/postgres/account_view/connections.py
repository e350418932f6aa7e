"""An account's connections as its own people see them: what is in step, what is wrong, how far the first sync is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import psycopg

from infra.postgres.account_states import Source, sources_of
from infra.postgres.account_view.paging import LIMIT, Page, bounded, page_of, position_of
from infra.postgres.imports import Import, imports_of
from infra.postgres.rows import rows_as
from infra.redaction import mask_text
from retinue.errors import NotFound


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """One connection. Of its `sources` (folders, calendars, objects) `unread` were never in step.

    `held` counts messages, calendar objects and records. `synced_at` is when any of them was last in step,
    `stalest_at` when the one longest ago was so. `problem` says in words why it is broken.
    """

    id: int
    provider: str
    name: str
    state: str
    problem: str | None
    created_at: datetime
    sources: int
    unread: int
    held: int | None
    synced_at: datetime | None
    stalest_at: datetime | None
    now: datetime
    first_sync: Import | None = None

    @property
    def lag(self) -> timedelta | None:
        """How long ago the stalest source was in step; None where one never was."""
        return None if self.unread or self.stalest_at is None else self.now - self.stalest_at


@dataclass(frozen=True, slots=True)
class ConnectionDetail:
    """One connection with what it keeps in step, at most 200 of each kind."""

    connection: ConnectionView
    sources: list[Source]


def view_connections(
    connection: psycopg.Connection, account_id: int, *, after: str | None = None, limit: int = LIMIT
) -> Page[ConnectionView]:
    """The account's connections in the order in which they were made.

    Raises:
        InvalidPayload: `after` is no position of this list.
    """
    limit, (last,) = bounded(limit), position_of(after, 0)
    found = _read(connection, account_id, after=last, limit=limit + 1)
    return page_of(found, limit, lambda line: (line.id,))


def view_connection(connection: psycopg.Connection, account_id: int, connection_id: int) -> ConnectionDetail:
    """One connection.

    Raises:
        NotFound: the account has no such connection.
    """
    found = _read(connection, account_id, only=connection_id, limit=1)
    if not found:
        raise NotFound(f"There is no connection {connection_id} in this account.")
    return ConnectionDetail(found[0], sources_of(connection, connection_id))


def _read(
    connection: psycopg.Connection, account_id: int, *, after: int = 0, limit: int, only: int | None = None
) -> list[ConnectionView]:
    params = {"account_id": account_id, "after": after, "limit": limit, "id": only}
    found = rows_as(connection, ConnectionView, "view_connections", params)
    imports = imports_of(connection, [line.id for line in found])
    return [
        replace(line, problem=line.problem and mask_text(line.problem), first_sync=imports.get(line.id))
        for line in found
    ]
