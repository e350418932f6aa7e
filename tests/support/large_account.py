"""One account with as much as a customer of years has: records, messages, meetings, and people who share them.

Rows are made by the database itself, in chunks, so that a million take minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

#: Rows of one INSERT.
CHUNK = 100_000

#: What subjects and names are made of: the first is in half of them, the last in few.
WORDS = (
    "ARRAY['renewal', 'meeting', 'invoice', 'pilot', 'Harbour', 'contract', 'quarter', 'Northern', 'prospect', 'zebra']"
)


@dataclass(frozen=True)
class LargeAccount:
    """What was made; `people` are the contacts' IDs, of whom the first takes part in everything."""

    account_id: int
    mail: int
    calendar: int
    org: int
    rows: int
    people: range


def build_account(sql: psycopg.Connection, name: str, rows: int) -> LargeAccount:
    """An account of so many records and as many messages, and a twentieth as many meetings."""
    account_id = _one(sql, "INSERT INTO accounts (name) VALUES (%(name)s) RETURNING id", {"name": name})
    mail, calendar, org = (_add_connection(sql, account_id, provider) for provider in ("imap", "caldav", "salesforce"))
    people = _add_people(sql, account_id, max(20, rows // 50))
    made = LargeAccount(account_id, mail, calendar, org, rows, people)
    _add_mail(sql, made)
    _add_meetings(sql, made)
    _add_records(sql, made)
    return made


def _one(sql: psycopg.Connection, query: str, params: dict[str, Any]) -> int:
    row = sql.execute(query.encode(), params).fetchone()
    assert row is not None
    return int(row[0])


def _add_connection(sql: psycopg.Connection, account_id: int, provider: str) -> int:
    query = (
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%(account)s, %(provider)s, 'main', '{}', '') RETURNING id"
    )
    return _one(sql, query, {"account": account_id, "provider": provider})


def _add_people(sql: psycopg.Connection, account_id: int, count: int) -> range:
    sql.execute(
        "INSERT INTO contacts"
        " (account_id, address, name, named_at, first_seen_at, last_seen_at, messages, events)"
        " SELECT %(account)s, 'person' || n || '@firm' || n / 20 || '.example',"
        " (ARRAY['Anna','Ben','Carla','Dmitri','Eva'])[1 + n %% 5] || ' Family' || n, now(),"
        " timestamptz '2023-01-01 00:00+00', timestamptz '2026-01-01 00:00+00' - n / 3 * interval '10 minutes', 1, 1"
        " FROM generate_series(0, %(count)s - 1) AS n",
        {"account": account_id, "count": count},
    )
    first = _one(sql, "SELECT min(id) FROM contacts WHERE account_id = %(account)s", {"account": account_id})
    return range(first, first + count)


_MESSAGES = f"""
INSERT INTO mail_messages (account_id, connection_id, identity, thread_id, subject, dated_at, size, body_text)
SELECT %(account)s, %(mail)s, n::text, %(thread)s,
    CASE WHEN n % 2 = 0 THEN 'Re: renewal ' ELSE '' END
        || ({WORDS})[2 + n / 7 % 9] || ' ' || n || ' of firm' || n / 7 % 1000,
    timestamptz '2026-01-01 00:00+00' - (n * 7919 % %(rows)s) / 3 * interval '1 minute', 2000, repeat('word ', 40)
FROM generate_series(%(start)s::bigint, %(end)s - 1) AS n
""".replace(" % ", " %% ")  # noqa: S608 - of constants of this file

# Somebody writes to the first person and to two others; every tenth time the writer is named twice.
_PARTICIPANTS = """
INSERT INTO message_participants (message_id, position, account_id, role, contact_id, dated_at)
SELECT message.id, named.position, %(account)s, named.role, %(person)s + named.number, message.dated_at
FROM mail_messages AS message
CROSS JOIN LATERAL (SELECT message.identity::bigint AS n) AS told
CROSS JOIN LATERAL (
    VALUES (0, 'from', 1 + n %% (%(people)s - 1)), (1, 'to', 0), (2, 'to', 1 + n * 31 %% (%(people)s - 1)),
        (3, 'cc', 1 + n / 10 %% 10), (4, 'reply_to', CASE WHEN n %% 10 = 0 THEN 1 + n %% (%(people)s - 1) END)
) AS named (position, role, number)
WHERE message.connection_id = %(mail)s AND told.n >= %(start)s AND named.number IS NOT NULL
    AND message.id > %(after)s
"""

_ATTACHMENTS = """
INSERT INTO message_attachments (message_id, position, account_id, part, content_type, size, content_hash)
SELECT id, 0, account_id, '2', 'text/plain', 1, '' FROM mail_messages
WHERE connection_id = %(mail)s AND id > %(after)s AND id %% 5 = 0
"""


def _add_mail(sql: psycopg.Connection, made: LargeAccount) -> None:
    given = {"account": made.account_id, "mail": made.mail, "person": made.people[0], "people": len(made.people)}
    query = (
        "INSERT INTO threads (account_id, connection_id, first_at, last_at, messages)"
        " VALUES (%(account)s, %(mail)s, now(), now(), %(rows)s) RETURNING id"
    )
    given["rows"] = made.rows
    given["thread"] = _one(sql, query, given)
    for start, end in _chunks(made.rows):
        given |= {"start": start, "end": end}
        given["after"] = _one(sql, "SELECT coalesce(max(id), 0) FROM mail_messages", {})
        for statement in (_MESSAGES, _PARTICIPANTS, _ATTACHMENTS):
            sql.execute(statement.encode(), given)


_MEETINGS = (
    """
INSERT INTO calendar_objects (account_id, calendar_id, href, content_hash, raw)
SELECT %(account)s, %(calendar)s, n::text, '', '' FROM generate_series(1, %(count)s) AS n
""",
    # Every hundredth is a series.
    """
INSERT INTO calendar_events (account_id, calendar_id, object_id, uid, summary, starts_at, ends_at, rrule)
SELECT object.account_id, object.calendar_id, object.id, object.href, 'Meeting ' || n, at, at + interval '1 hour',
    CASE WHEN n %% 100 = 0 THEN 'FREQ=WEEKLY' END
FROM calendar_objects AS object
CROSS JOIN LATERAL (SELECT object.href::bigint AS n) AS told
CROSS JOIN LATERAL (SELECT timestamptz '2025-12-01 00:00+00' - n / 2 * interval '30 minutes' AS at) AS moment
WHERE object.calendar_id = %(calendar)s
""",
    """
INSERT INTO calendar_instances (object_id, instance_key, account_id, calendar_id, event_id, starts_at, ends_at)
SELECT event.object_id, week::text, event.account_id, event.calendar_id, event.id,
    event.starts_at + week * interval '7 days', event.ends_at + week * interval '7 days'
FROM calendar_events AS event
CROSS JOIN LATERAL generate_series(0, CASE WHEN event.rrule IS NULL THEN 0 ELSE 60 END) AS week
WHERE event.calendar_id = %(calendar)s
""",
    """
INSERT INTO calendar_attendees (event_id, position, account_id, contact_id, address, role, reply, happens_at)
SELECT event.id, named.position, event.account_id, %(person)s + named.number, '', named.role, named.reply,
    CASE WHEN event.rrule IS NULL THEN event.starts_at END
FROM calendar_events AS event
CROSS JOIN LATERAL (
    VALUES (0, 'organizer', NULL, 0), (1, 'required', 'accepted', 0),
        (2, 'required', 'declined', 1 + event.uid::bigint %% (%(people)s - 1)),
        (3, 'optional', 'tentative', 1 + event.uid::bigint / 10 %% 10)
) AS named (position, role, reply, number)
WHERE event.calendar_id = %(calendar)s
""",
)


def _add_meetings(sql: psycopg.Connection, made: LargeAccount) -> None:
    query = (
        "INSERT INTO calendars (account_id, connection_id, url, name) VALUES (%(account)s, %(link)s, '/', 'Team')"
        " RETURNING id"
    )
    given = {
        "account": made.account_id,
        "link": made.calendar,
        "person": made.people[0],
        "people": len(made.people),
        "count": made.rows // 20,
    }
    given["calendar"] = _one(sql, query, given)
    for statement in _MEETINGS:
        sql.execute(statement.encode(), given)


#: By kind: its share of a hundred, and its fields beside its ID.
_KINDS = {
    "Account": (5, "'Name', 'Firm ' || n"),
    "Opportunity": (
        15,
        f"'Name', ({WORDS})[2 + n % 9] || ' deal ' || n, 'StageName', 'Prospecting', 'Amount', n * 1.5,"
        " 'CloseDate', (date '2026-12-31' - (n % 900)::int)::text, 'AccountId', 'Account' || n % (%(rows)s / 20),"
        " 'OwnerId', 'User' || n % (%(rows)s / 1000)",
    ),
    "Contact": (
        10,
        "'Name', 'Contact Family' || n, 'Email', 'Person' || n || '@Firm' || n / 20 || '.example',"
        " 'AccountId', 'Account' || n % (%(rows)s / 20)",
    ),
    "Task": (
        40,
        "'Subject', 'Call ' || n, 'ActivityDate', (date '2026-01-01' - (n % 1000)::int)::text,"
        " 'WhoId', 'Contact' || CASE WHEN n % 10 = 0 THEN 1 ELSE n % (%(rows)s / 10) END,"
        " 'WhatId', 'Opportunity' || n % (%(rows)s / 100)",
    ),
    "Event": (
        29,
        "'Subject', 'Visit ' || n, 'ActivityDateTime',"
        " to_char(timestamp '2026-01-01' - n * interval '3 minutes', 'YYYY-MM-DD\"T\"HH24:MI:SS.000+0000'),"
        " 'WhoId', 'Contact' || n % (%(rows)s / 10), 'WhatId', 'Opportunity' || n % (%(rows)s / 100)",
    ),
    "User": (1, "'Name', 'Seller ' || n"),
}

_RECORDS = """
INSERT INTO records (connection_id, kind, external_id, account_id, version, observed_at, content_hash, payload)
SELECT %(org)s, '{kind}', '{kind}' || n, %(account)s, 1700000000000000 + n / 3 * 1000000, now(), 0,
    jsonb_build_object('Id', '{kind}' || n, {fields}, 'Description', repeat('harbour ', 30))
FROM generate_series(%(start)s::bigint, %(end)s - 1) AS n
"""


def _add_records(sql: psycopg.Connection, made: LargeAccount) -> None:
    for kind, (share, fields) in _KINDS.items():
        query = _RECORDS.format(kind=kind, fields=fields.replace(" % ", " %% ")).encode()
        for start, end in _chunks(made.rows * share // 100):
            given = {"org": made.org, "account": made.account_id, "rows": made.rows, "start": start, "end": end}
            sql.execute(query, given)


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, CHUNK):
        yield start, min(count, start + CHUNK)
