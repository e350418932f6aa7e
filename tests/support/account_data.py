"""A few rows of everything in an account, with IDs and people that another account has as well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(hours=hours)


@dataclass
class AccountData:
    """An account and what is put into it; every method gives the ID of what it made."""

    sql: psycopg.Connection
    name: str

    def __post_init__(self) -> None:
        self.account_id = self._one("INSERT INTO accounts (name) VALUES (%s) RETURNING id", self.name)
        self.mail, self.agenda, self.org = map(self.connect, ("imap", "caldav", "salesforce"))
        self.thread = self._one(
            "INSERT INTO threads (account_id, connection_id, first_at, last_at) VALUES (%s, %s, %s, %s) RETURNING id",
            *(self.account_id, self.mail, NOON, NOON),
        )
        self.calendar = self._one(
            "INSERT INTO calendars (account_id, connection_id, url, name, synced_at)"
            " VALUES (%s, %s, '/', 'Team', %s) RETURNING id",
            *(self.account_id, self.agenda, NOON),
        )

    def connect(self, provider: str, name: str = "main") -> int:
        return self._one(
            "INSERT INTO connections (account_id, provider, name, config, credentials)"
            " VALUES (%s, %s, %s, '{}', '') RETURNING id",
            *(self.account_id, provider, name),
        )

    def person(self, address: str, name: str | None = None, *, seen: float = 0) -> int:
        return self._one(
            "INSERT INTO contacts (account_id, address, name, named_at, first_seen_at, last_seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            *(self.account_id, address, name, NOON if name else None, at(min(seen, 0)), at(seen)),
        )

    def message(self, subject: str | None, hours: float, *people: tuple[int | None, str], files: int = 0) -> int:
        """A message; `people` are contacts with their roles."""
        made = self._one(
            "INSERT INTO mail_messages (account_id, connection_id, identity, thread_id, subject, dated_at, size)"
            " VALUES (%s, %s, gen_random_uuid()::text, %s, %s, %s, 1) RETURNING id",
            *(self.account_id, self.mail, self.thread, subject, at(hours)),
        )
        for position, (person, role) in enumerate(people):
            self.sql.execute(
                "INSERT INTO message_participants (message_id, position, account_id, role, contact_id, dated_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (made, position, self.account_id, role, person, at(hours)),
            )
        for position in range(files):
            self.sql.execute(
                "INSERT INTO message_attachments (message_id, position, account_id, part, content_type, size,"
                " content_hash) VALUES (%s, %s, %s, '2', 'text/plain', 1, '')",
                (made, position, self.account_id),
            )
        return made

    def meeting(self, summary: str, hours: float, *people: tuple[int | None, str, str | None], weeks: int = 0) -> int:
        """An event, or a series of so many weeks; `people` are contacts with their roles and replies."""
        place = self._one(
            "INSERT INTO calendar_objects (account_id, calendar_id, href, content_hash, raw)"
            " VALUES (%s, %s, gen_random_uuid()::text, '', '') RETURNING id",
            *(self.account_id, self.calendar),
        )
        made = self._one(
            "INSERT INTO calendar_events (account_id, calendar_id, object_id, uid, summary, starts_at, rrule)"
            " VALUES (%s, %s, %s, 'uid', %s, %s, %s) RETURNING id",
            *(self.account_id, self.calendar, place, summary, at(hours), "FREQ=WEEKLY" if weeks else None),
        )
        for week in range(weeks or 1):
            begins = at(hours + 168 * week)
            self.sql.execute(
                "INSERT INTO calendar_instances (object_id, instance_key, account_id, calendar_id, event_id, starts_at,"
                " ends_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (place, str(week), self.account_id, self.calendar, made, begins, begins + timedelta(hours=1)),
            )
        for position, (person, role, reply) in enumerate(people):
            self.sql.execute(
                "INSERT INTO calendar_attendees (event_id, position, account_id, contact_id, address, role, reply,"
                " happens_at) VALUES (%s, %s, %s, %s, '', %s, %s, %s)",
                (made, position, self.account_id, person, role, reply, None if weeks else at(hours)),
            )
        return made

    def record(self, kind: str, external_id: str, *, version: int = 1, org: int | None = None, **payload: Any) -> str:
        self.sql.execute(
            "INSERT INTO records (connection_id, kind, external_id, account_id, version, observed_at, content_hash,"
            " payload) VALUES (%s, %s, %s, %s, %s, %s, 0, %s)",
            (org or self.org, kind, external_id, self.account_id, version, NOON, Jsonb(payload)),
        )
        return external_id

    def _one(self, query: str, *params: object) -> int:
        row = self.sql.execute(query.encode(), params).fetchone()
        assert row is not None
        return int(row[0])
