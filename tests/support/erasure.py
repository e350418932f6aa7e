"""Accounts with something in every table, and what the database holds of one."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import sql as compose

from infra.postgres.ddl import metadata
from tests.support.planted import plant, shared_id

#: The audit's rows stay for good: nothing personal is ever written there, and so nothing is planted.
KEPT = frozenset({"operator_actions"})

_ENGINE = (
    "INSERT INTO account_keys (account_id, wrapped) VALUES (%(account)s, convert_to(%(canary)s, 'UTF8'))",
    "INSERT INTO invitations (account_id, digest, member_id, expires_at)"
    " VALUES (%(account)s, sha256(convert_to(%(canary)s, 'UTF8')), %(id)s, now())",
    "INSERT INTO account_sessions (account_id, digest, mode, member_id, expires_at)"
    " VALUES (%(account)s, sha256(convert_to(%(canary)s, 'UTF8')), 'self', %(id)s, now())",
    "INSERT INTO lanes (type, lane) SELECT 'system.echo', unnest(%(lanes)s::text[])",
    "INSERT INTO lane_holds (type, lane, kind, reason)"
    " SELECT 'system.echo', unnest(%(lanes)s::text[]), 'pause', %(canary)s",
    "INSERT INTO lane_wakes (type, lane) SELECT 'system.echo', unnest(%(lanes)s::text[])",
    "INSERT INTO job_keys (type, key, until, job_id)"
    " VALUES ('system.echo', %(canary)s, now() + interval '1 day', %(id)s)",
    "INSERT INTO group_notes (group_id, cancel_reason) VALUES (%(id)s, %(canary)s)",
    "INSERT INTO breakers (scope, reason) VALUES ('connection:' || %(id)s::bigint, %(canary)s)",
    "INSERT INTO budget_states (connection_id, blocked_reason) VALUES (%(id)s, %(canary)s)",
    "UPDATE anomalies SET reason = %(canary)s WHERE id = %(id)s",
    "UPDATE job_history SET type = 'system.echo', lane = %(lane)s WHERE account_id = %(account)s",
    "UPDATE jobs SET type = 'system.echo', state = 'running', lease_until = now() + interval '1 hour', attempt = 1,"
    " reason = 'claim', lane = %(lane)s WHERE account_id = %(account)s",
)


def traces_of(account_id: int) -> list[str]:
    """What may stand nowhere once the account is gone."""
    return [
        f"canary-{account_id}-",
        f"shown {account_id}",
        f"account:{account_id}",
        f"connection_id:{shared_id(account_id)}",
    ]


def fill(sql: psycopg.Connection, account_id: int) -> None:
    """A row in every table, the engine's included, with a canary in everything that may tell of somebody."""
    plant(sql, account_id, without=KEPT)
    lane = f"address:canary-{account_id}-lane@secret.example"
    params = {
        "account": account_id,
        "id": shared_id(account_id),
        "canary": f"canary-{account_id}-engine",
        "lane": lane,
        "lanes": [lane, f"account:{account_id}", f"connection_id:{shared_id(account_id)}"],
    }
    with sql.transaction():
        for statement in _ENGINE:
            sql.execute(statement.encode(), params)


def rows_of(sql: psycopg.Connection, account_id: int) -> dict[str, list[Any]]:
    """Every row of every table in which the account's number or its canaries stand, as bytes."""
    found = {}
    for table in metadata.sorted_tables:
        query = compose.SQL("SELECT row::text FROM {} AS row ORDER BY 1").format(compose.Identifier(table.name))
        texts = [text for (text,) in sql.execute(query)]
        hexed = f"canary-{account_id}-".encode().hex()
        # The number by itself: it also stands within some duration or moment.
        known = f"canary-{account_id}-|{hexed}|account:{account_id}|(?<![.\\d]){shared_id(account_id)}(?!\\d)"
        found[table.name] = [text for text in texts if re.search(known, text)]
    return found
