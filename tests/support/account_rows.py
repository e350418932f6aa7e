"""Rows for the pages of accounts, incidents, anomalies and costs: customers as an installation has them."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from infra.postgres.anomaly_sightings import Sighting, kind_of, sample_of, write_sightings
from infra.postgres.breakers import Attempt
from infra.postgres.budget_settings import set_budget
from infra.postgres.holds import connection_lane
from infra.postgres.imports import Kind, begin_import, note_recent
from infra.postgres.incidents import open_incident
from infra.postgres.statements import statement
from retinue.histogram import BUCKETS
from tests.support.factories import add_schedule, add_servant
from tests.support.overview_rows import add_account

SYNC = {"imap": "email.sync", "caldav": "calendar.sync", "salesforce": "salesforce.sync"}

REFUSED = "the server refused the login of 'sales@{name}.example': AUTHENTICATIONFAILED"


@dataclass(frozen=True)
class Customers:
    """What was made, by name."""

    accounts: dict[str, int]
    mail: int
    calendar: int
    org: int
    broken: int


def add_connection(
    sql: psycopg.Connection, account_id: int, provider: str = "imap", name: str = "main", config: str = "{}"
) -> int:
    """A connection with the schedule that syncs it, and its lane; its ID."""
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, %s, %s, %s, '') RETURNING id",
        (account_id, provider, name, config),
    ).fetchone()
    assert row is not None
    lane = connection_lane(row[0])
    add_schedule(
        sql,
        f"connection {row[0]}",
        type=SYNC[provider],
        account_id=account_id,
        lane=lane,
        payload={"connection_id": row[0]},
    )
    sql.execute("INSERT INTO lanes (type, lane) VALUES (%s, %s) ON CONFLICT DO NOTHING", (SYNC[provider], lane))
    return int(row[0])


def add_customers(sql: psycopg.Connection) -> Customers:
    """A customer with all three providers, others of whom three were refused, and what jobs found odd."""
    for job_type in SYNC.values():
        add_servant(sql, job_type)
    accounts = {name: add_account(sql, name) for name in ("Acme", "Globex", "Initech", "Umbrella & <Sons>", "Wayne")}
    acme = accounts["Acme"]
    mail = add_connection(
        sql, acme, "imap", "sales", '{"host": "imap.example.com", "username": "sales@acme.example", "port": 993}'
    )
    calendar = add_connection(sql, acme, "caldav", "team")
    org = add_connection(sql, acme, "salesforce", "production")
    _fill(sql, acme, mail=mail, calendar=calendar, org=org)
    refused = [
        add_connection(sql, accounts[name], "imap", "office") for name in ("Globex", "Initech", "Umbrella & <Sons>")
    ]
    for connection_id, name in zip(refused, ("globex", "initech", "umbrella"), strict=True):
        open_incident(
            sql, connection_id, kind="credential", reason=REFUSED.format(name=name), attempt=Attempt(connection_id, 1)
        )
    _find_anomalies(sql, accounts, mail=mail)
    _spend(sql, acme)
    return Customers(accounts, mail, calendar, org, refused[0])


def _fill(sql: psycopg.Connection, account_id: int, *, mail: int, calendar: int, org: int) -> None:
    own = {"account": account_id, "mail": mail, "calendar": calendar, "org": org}
    sql.execute(
        "INSERT INTO mailboxes (account_id, connection_id, name, role, messages, synced_at)"
        " VALUES (%(account)s, %(mail)s, 'INBOX', 'inbox', 18204, now() - interval '40 seconds'),"
        " (%(account)s, %(mail)s, 'Sent', 'sent', 9120, now() - interval '3 minutes'),"
        " (%(account)s, %(mail)s, 'Archive/2019', NULL, NULL, NULL)",
        own,
    )
    sql.execute(
        "INSERT INTO calendars (account_id, connection_id, url, name, synced_at)"
        " VALUES (%(account)s, %(calendar)s, '/team/', 'Team', now() - interval '1 minute')",
        own,
    )
    sql.execute(
        "INSERT INTO calendar_objects (account_id, calendar_id, href, content_hash, raw)"
        " SELECT account_id, id, n::text, '', '' FROM calendars, generate_series(1, 31) AS n",
    )
    sql.execute(
        "INSERT INTO salesforce_objects (connection_id, name, label, account_id, selected, state, synced_at) VALUES"
        " (%(org)s, 'Account', 'Account', %(account)s, true, 'live', now() - interval '2 minutes'),"
        " (%(org)s, 'Opportunity', 'Deal', %(account)s, true, 'history', now() - interval '2 minutes')",
        own,
    )
    sql.execute(
        "INSERT INTO record_counts VALUES (%(org)s, 'Account', %(account)s, 48211),"
        " (%(org)s, 'Opportunity', %(account)s, 1203)",
        own,
    )
    begin_import(sql, connection_id=org, account_id=account_id, kind=Kind.SALESFORCE, total=80_000, done=49_414)
    note_recent(sql, org, Kind.SALESFORCE)
    set_budget(sql, org, per_day=5000, concurrent=5, reserve=0.1)
    sql.execute(
        "INSERT INTO budget_usage SELECT %(org)s, 86400, now() - n * interval '30 minutes', 420"
        " FROM generate_series(1, 8) AS n",
        own,
    )


def _find_anomalies(sql: psycopg.Connection, accounts: dict[str, int], *, mail: int) -> None:
    told = (
        ("email.sync", "message_malformed", "header 'Date' of message 17 cannot be read", ("Acme", "Globex", "Wayne")),
        ("salesforce.reconcile", "salesforce_drift", "", ("Acme",)),
    )
    for job_type, name, reason, met_by in told:
        for number, account in enumerate(met_by, start=1):
            fields = {"reason": reason, "uid": 17 * number} if reason else {"object": "Account", "stale": 3}
            fingerprint, said = kind_of(job_type, name, fields)
            family, _ = kind_of(job_type, name, {})
            connection_id = mail if account == "Acme" else None
            row = (accounts[account], connection_id, 1000 + number, sample_of(fields), 12 * number)
            write_sightings(sql, [Sighting(fingerprint, family, job_type, name, said, *row)])
    sql.execute(statement("fold_anomaly_sightings"), {"limit": 1000, "most": 200})


def _spend(sql: psycopg.Connection, account_id: int) -> None:
    sql.execute(
        "INSERT INTO queue_calls SELECT 3600, date_trunc('hour', now(), 'UTC') - n * interval '1 hour', type, action,"
        " 900 + 40 * mod(n, 7) * length(type) FROM generate_series(0, 30) AS n,"
        " unnest(ARRAY['email.sync', 'calendar.sync']) AS type,"
        " unnest(ARRAY['ReceiveMessage', 'SendMessageBatch', 'DeleteMessageBatch']) AS action",
    )
    sql.execute("INSERT INTO cost_progress (shared_until) VALUES (date_trunc('hour', now(), 'UTC'))")
    sql.execute(
        "INSERT INTO account_costs"
        " SELECT period, date_trunc(period, now() - interval '1 hour' * (period = 'hour')::int, 'UTC'),"
        " account, type, 120, calls"
        " FROM unnest(ARRAY['hour', 'day', 'month']) AS period, unnest(ARRAY['', 'email.sync']) AS type,"
        " unnest(ARRAY[%s, NULL]::bigint[], ARRAY[52000.5, 1200.25]) AS row (account, calls)",
        (account_id,),
    )
    sql.execute(
        "INSERT INTO account_rollups SELECT 60, date_trunc('minute', now()) - n * interval '5 minutes', 'email.sync',"
        " %s, 'completed', 12, 30, 4, %s, %s FROM generate_series(1, 100) AS n",
        (account_id, [0, 0, 0, 8, 3, 1] + [0] * (BUCKETS - 6), [6, 4, 2] + [0] * (BUCKETS - 3)),
    )
