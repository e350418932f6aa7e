"""The second part of an erasure: every row goes, in every table, and the account's own at last.

Tables with an `account_id`, and those that refer to them, are found in PostgreSQL's catalogue. What the engine keeps by
other names is listed here: lanes, unique keys, groups' notes, breakers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from infra.postgres.audit import Act, Actor, ActorKind, note
from infra.postgres.erasure_stop import account_lane
from infra.postgres.owned_tables import Before, OwnedTable, owned_tables
from infra.postgres.statements import statement

#: What stays: what operators did, in whose rows the account is a number. Unfinished jobs are ended, and go as history.
KEPT = frozenset({"operator_actions", "jobs"})

# A lane is named by a field of its jobs, which may say anything. Those that are held while the erasure lasts stay until
# its end; one that others use is not the account's.
_LANES = """(type, lane) IN (
        SELECT type, lane FROM job_history WHERE account_id = %(id)s
        UNION SELECT type, lane FROM jobs WHERE account_id = %(id)s
    )
    AND lane NOT IN ('system', 'account:' || %(id)s::bigint)
    AND lane NOT IN (SELECT 'connection_id:' || id FROM connections WHERE account_id = %(id)s)
    AND NOT EXISTS (
        SELECT FROM jobs AS other
        WHERE other.type = {table}.type AND other.lane = {table}.lane AND other.account_id IS DISTINCT FROM %(id)s
    )
    AND NOT EXISTS (
        SELECT FROM schedules AS other
        WHERE other.type = {table}.type AND other.lane = {table}.lane AND other.account_id IS DISTINCT FROM %(id)s
    )"""

#: What names no account; before what tells whose it is.
_ENGINE = {
    "lane_wakes": _LANES,
    "lane_holds": _LANES,
    "lanes": _LANES,
    "job_keys": "job_id IN (SELECT id FROM job_history WHERE account_id = %(id)s)",
    "group_notes": "group_id IN (SELECT id FROM job_groups WHERE account_id = %(id)s)",
    # What others have met as well stays, without the account's part.
    "anomalies": "accounts = 1 AND id IN (SELECT anomaly_id FROM anomaly_accounts WHERE account_id = %(id)s)",
}

_NAMED_LANES = ("lane_wakes", "lane_holds", "lanes")


def erased_tables(connection: psycopg.Connection) -> list[OwnedTable]:
    """Every table that holds something of an account, in the order in which its rows go."""
    engine = [OwnedTable(name, _condition(name, text), name) for name, text in _ENGINE.items()]
    return engine + owned_tables(connection, "account_id", without=KEPT)


def _condition(table: str, text: str) -> Composed:
    # The constants above and nothing else.
    return SQL(text).format(table=Identifier(table))


def before_deletion(table: OwnedTable) -> Before | None:
    """What goes along with the rows of this table, in the same transaction."""
    return _forget_connections if table.name == "connections" else None


def _forget_connections(connection: psycopg.Connection, rows: Sequence[str]) -> None:
    """What is named by a connection's ID: it cannot be told whose it is once the connection is gone."""
    query = "SELECT 'connection_id:' || id, 'connection:' || id FROM connections WHERE ctid = ANY(%s::tid[])"
    names = connection.execute(query, (list(rows),)).fetchall()
    _forget_lanes(connection, [lane for lane, _ in names])
    connection.execute("DELETE FROM breakers WHERE scope = ANY(%s)", ([scope for _, scope in names],))


def _forget_lanes(connection: psycopg.Connection, lanes: Sequence[str]) -> None:
    # The lanes' rows before their holds: everybody takes them in this order.
    connection.execute("SELECT FROM lanes WHERE lane = ANY(%s) ORDER BY type, lane FOR UPDATE", (list(lanes),))
    for table in _NAMED_LANES:
        connection.execute(SQL("DELETE FROM {} WHERE lane = ANY(%s)").format(Identifier(table)), (list(lanes),))


def delete_key(connection: psycopg.Connection, account_id: int) -> None:
    """Delete the account's data key, in the caller's transaction: nothing that it sealed opens again, anywhere."""
    connection.execute(statement("delete_account_key"), {"account_id": account_id})


def finish_erasure(connection: psycopg.Connection, account_id: int, rows: Mapping[str, int], *, job_id: int) -> None:
    """Delete the account's own row and note what went, in the caller's transaction. Nothing else of it is left."""
    _forget_lanes(connection, [account_lane(account_id)])
    connection.execute("DELETE FROM accounts WHERE id = %s", (account_id,))
    detail = {"job": job_id, "rows": dict(sorted(rows.items()))}
    note(connection, _orderer(connection, account_id), Act("account.erased", "account", account_id, account_id, detail))


def _orderer(connection: psycopg.Connection, account_id: int) -> Actor:
    """Who ordered it; the command line, where the job was made by hand."""
    row = connection.execute(statement("find_erasure_order"), {"account_id": account_id}).fetchone()
    return Actor(ActorKind.COMMAND_LINE, None, "account.erase") if row is None else Actor(ActorKind(row[0]), *row[1:])
