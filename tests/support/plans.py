"""How PostgreSQL reached the rows that a statement read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from infra.postgres.statements import statement


@dataclass(frozen=True)
class Read:
    """How one node of a plan read a table."""

    node: str
    table: str
    rows: int


def explain(sql: psycopg.Connection, name: str, params: dict[str, Any], *, after: Sequence[str] = ()) -> list[Read]:
    """Run the statement, undo it, and tell how it read each table; the statements of `after` precede it."""
    with sql.transaction(force_rollback=True):
        for earlier in after:
            sql.execute(statement(earlier))
        row = sql.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement(name), params).fetchone()
    assert row is not None
    return list(_reads(row[0][0]["Plan"]))


def explain_text(
    sql: psycopg.Connection, query: bytes, params: Any, *, settings: Sequence[tuple[bytes, Any]] = ()
) -> list[Read]:
    """The same for a query that is no named statement, in a transaction that begins with `settings`."""
    with sql.transaction(force_rollback=True):
        for setting in settings:
            sql.execute(*setting)
        row = sql.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + query, params).fetchone()
    assert row is not None
    return list(_reads(row[0][0]["Plan"]))


def explain_prepared(
    sql: psycopg.Connection, name: str, params: dict[str, Any], *, after: Sequence[str] = ()
) -> list[Read]:
    """The same by the plan that is kept for all parameters, which dispatch always uses."""
    text = statement(name).decode()
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
    text = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", text)
    values = ", ".join(f"%({given})s" for given in names)
    execute = f"EXECUTE hot ({values})" if names else "EXECUTE hot"
    with sql.transaction(force_rollback=True), psycopg.ClientCursor(sql) as cursor:
        for earlier in after:
            sql.execute(statement(earlier))
        sql.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        sql.execute(f"PREPARE hot AS {text}".encode())
        row = cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {execute}".encode(), params).fetchone()
        sql.execute("DEALLOCATE hot")
    assert row is not None
    return list(_reads(row[0][0]["Plan"]))


def _reads(node: dict[str, Any]) -> Iterator[Read]:
    if "Relation Name" in node and node["Node Type"] != "ModifyTable":
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = round((node["Actual Rows"] + removed) * node["Actual Loops"])
        yield Read(node["Node Type"], node["Relation Name"], rows)
    for child in node.get("Plans", []):
        yield from _reads(child)


def read_plan(sql: psycopg.Connection, name: str, params: dict[str, object]) -> str:
    """The statement's plan as people read it; it is run and undone."""
    query = b"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + statement(name)
    with sql.transaction(force_rollback=True):
        return "\n".join(row[0] for row in sql.execute(query, params))
