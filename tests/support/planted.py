"""A row in every table that an account sees, with a canary in every column that holds something sensitive."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import sql as compose
from psycopg.types.json import Jsonb
from sqlalchemy import CheckConstraint, Column, LargeBinary, Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Boolean, Date, DateTime, Float, Integer, Numeric

from infra.postgres.ddl import metadata
from infra.postgres.ddl_access import HIDDEN, seen_tables
from infra.postgres.masking import MASKED, Kind
from retinue.histogram import BUCKETS

#: Where a table's rules want more than a value of the column's type.
_WANTED: dict[tuple[str, str], Any] = {
    ("connections", "state"): "broken",
    ("jobs", "state"): "pending",
    ("jobs", "reason"): "retry",
    ("job_history", "state"): "failed",
    ("job_history", "reason"): "exhausted",
    ("job_events", "from_state"): "running",
    ("job_events", "to_state"): "pending",
    ("job_events", "reason"): "retry",
    ("members", "role"): "admin",
    ("account_rollups", "step_seconds"): 3600,
    ("account_rollups", "state"): "failed",
    ("record_changes", "change"): "updated",
    ("account_rollups", "run_histogram"): [0] * BUCKETS,
    ("account_rollups", "wait_histogram"): [0] * BUCKETS,
    ("calendar_events", "end_date"): "2026-11-02",
    ("visits", "state"): "ended",
    ("visits", "ticket_url"): "https://canary-{account}-visits-ticket_url.example",
}

#: Columns that stay empty: their table's rules have them so in this state.
_EMPTY = {
    ("accounts", "erasing_at"),
    ("calendar_instances", "start_date"),
    ("calendar_instances", "end_date"),
    ("job_groups", "finished_at"),
    ("job_groups", "outcome"),
    ("jobs", "lease_until"),
    ("schedules", "every_seconds"),
    ("trouble_notes", "anomaly_id"),
}

#: What rows refer to that belongs to no account.
_OTHERS = (
    "INSERT INTO people (id, name, role) VALUES (%(id)s, 'person ' || %(id)s, 'operator')",
    "INSERT INTO anomalies (id, fingerprint, type, name, reason, first_seen_at, last_seen_at, seen)"
    " VALUES (%(id)s, 'f' || %(id)s, 'email.sync', 'odd', 'odd', now(), now(), 1)",
)


def canary(account_id: int, table: str, column: str) -> str:
    """What must never be seen in another account, or masked."""
    return f"canary-{account_id}-{table}-{column}"


def plant(sql: psycopg.Connection, account_id: int, *, without: frozenset[str] = frozenset()) -> None:
    """A row in each table but some; whatever belongs together by its ID has the account's ID times a thousand."""
    seen = {table.name for table in seen_tables()} - without
    with sql.transaction():
        for other in _OTHERS:
            sql.execute(other.encode(), {"id": shared_id(account_id)})
        for table in metadata.sorted_tables:
            if table.name in seen:
                _insert(sql, table, _row(table, account_id))
        _plant_records(sql, account_id)


#: Kinds of records that pages show, beside the planted one of a kind that none shows.
_KINDS = ("Account", "Contact", "Event", "Opportunity", "Task", "User")


def _plant_records(sql: psycopg.Connection, account_id: int) -> None:
    """A record of each kind, with the same IDs in each account; the contact has the planted person's address."""
    own = canary(account_id, "records", "payload")
    fields = {
        "Name": own,
        "Subject": own,
        "Title": own,
        "Phone": own,
        "Email": f"{canary(account_id, 'contacts', 'address')}@secret.example",
        "Amount": 4_242_424_242,
        "StageName": "Prospecting",
        "CloseDate": "2026-12-01",
        "ActivityDate": "2026-11-03",
    }
    for kind in _KINDS:
        links = {"AccountId": "Account-1", "OwnerId": "User-1", "WhoId": "Contact-1", "WhatId": "Opportunity-1"}
        sql.execute(
            "INSERT INTO records (connection_id, kind, external_id, account_id, version, observed_at, content_hash,"
            " payload, changed_at) SELECT connection_id, %s, %s, account_id, version, observed_at, content_hash, %s,"
            " changed_at FROM records WHERE account_id = %s AND connection_id = %s LIMIT 1",
            (kind, f"{kind}-1", Jsonb({**fields, **links}), account_id, shared_id(account_id)),
        )


def shared_id(account_id: int) -> int:
    """The ID of an account's rows."""
    return account_id * 1000


def _row(table: Table, account_id: int) -> dict[str, Any]:
    return {
        column.name: _value(table, column, account_id)
        for column in table.columns
        if (table.name, column.name) not in _EMPTY and column.name != "deleted_at" and column.computed is None
    }


def _value(table: Table, column: Column[Any], account_id: int) -> Any:
    place = (table.name, column.name)
    if column.name == "account_id" or place == ("accounts", "id"):
        return account_id
    if place in _WANTED:
        wanted = _WANTED[place]
        return wanted.format(account=account_id) if isinstance(wanted, str) else wanted
    kind = MASKED.get(table.name, {}).get(column.name)
    if kind not in (None, Kind.DIGEST) or column.name in HIDDEN.get(table.name, ()):
        return _planted(column, canary(account_id, *place), kind)
    return _plain(table, column, account_id)


def _planted(column: Column[Any], planted: str, kind: Kind | None) -> Any:
    if isinstance(column.type, LargeBinary):
        return planted.encode()[:32].ljust(32)  # as long as a digest
    if isinstance(column.type, ARRAY):
        return [planted]
    if isinstance(column.type, JSONB):
        return Jsonb(
            {
                "Name": planted,
                "Email": f"{planted}@a.example",
                "Phone": f"+41 {planted}",
                "deep": {"address": [f"{planted}@a.example"]},
            }
        )
    return f"It refused {planted}@secret.example." if kind is Kind.PROSE else f"{planted}@secret.example"


def _plain(table: Table, column: Column[Any], account_id: int) -> Any:
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, Date):
        return "2026-11-01"
    if isinstance(column.type, DateTime):
        return "2026-11-01 12:00:00+00"
    if isinstance(column.type, Integer):
        return shared_id(account_id) if column.name == "id" or column.name.endswith("_id") else 1
    if isinstance(column.type, (Float, Numeric)):
        return 1
    if isinstance(column.type, ARRAY):
        return "{}"
    return _chosen(table, column) or ("{}" if isinstance(column.type, JSONB) else f"shown {account_id}")


def _chosen(table: Table, column: Column[Any]) -> str | None:
    """The first of the words that the column may hold."""
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint):
            found = re.match(rf"{column.name} IN \('([^']+)'", str(constraint.sqltext))
            if found:
                return found[1]
    return None


def _insert(sql: psycopg.Connection, table: Table, row: dict[str, Any]) -> None:
    statement = compose.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        compose.Identifier(table.name),
        compose.SQL(", ").join(map(compose.Identifier, row)),
        compose.SQL(", ").join([compose.Placeholder()] * len(row)),
    )
    sql.execute(statement, list(row.values()))
