"""What PostgreSQL's catalog says of a database's schema, for comparing two databases."""

from __future__ import annotations

from typing import Any

import psycopg

#: A view over the tables of our own, for the questions below.
_OURS = """
    CREATE TEMPORARY VIEW ours AS
    SELECT * FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
        AND relkind IN ('r', 'p', 'v', 'm', 'S')
        AND relname <> 'alembic_version'
"""

#: Each question returns comparable rows; names and definitions, never OIDs.
QUESTIONS = {
    "tables": """
        SELECT relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relispartition, relreplident,
            pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid), array_to_string(reloptions, ', ')
        FROM ours
    """,
    "columns": """
        SELECT relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
            attstorage, attstattarget, attcompression, attcollation::regcollation::text, pg_get_expr(adbin, adrelid)
        FROM ours
        JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    """,
    "constraints": """
        SELECT relname, conname, contype, convalidated, condeferrable, pg_get_constraintdef(pg_constraint.oid)
        FROM ours JOIN pg_constraint ON conrelid = ours.oid
    """,
    "indexes": """
        SELECT relname, pg_get_indexdef(indexrelid), indisvalid, indisunique, indnullsnotdistinct
        FROM ours JOIN pg_index ON indrelid = ours.oid
    """,
    "policies": """
        SELECT relname, polname, polcmd, polpermissive, polroles::regrole[]::text,
            pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
        FROM ours JOIN pg_policy ON polrelid = ours.oid
    """,
    "grants on tables": "SELECT relname, relacl::text FROM ours WHERE relacl IS NOT NULL",
    "grants on columns": """
        SELECT relname, attname, attacl::text
        FROM ours JOIN pg_attribute ON attrelid = ours.oid AND attacl IS NOT NULL
    """,
    "enums": """
        SELECT typname, array_agg(enumlabel::text ORDER BY enumsortorder)::text
        FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid GROUP BY typname
    """,
    "functions": "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "triggers": """
        SELECT relname, pg_get_triggerdef(pg_trigger.oid)
        FROM ours JOIN pg_trigger ON tgrelid = ours.oid AND NOT tgisinternal
    """,
}


def describe(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """The catalog's answers to `QUESTIONS`, each in one order."""
    connection.execute(_OURS)
    answers = {
        question: sorted(connection.execute(query.encode()).fetchall(), key=repr)
        for question, query in QUESTIONS.items()
    }
    connection.execute("DROP VIEW ours")
    return answers


def constraint(connection: psycopg.Connection, name: str) -> str:
    """A CHECK constraint's expression."""
    rows = connection.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", (name,))
    found = {row[0] for row in rows}
    assert len(found) == 1, f"{name}: {found}"
    return str(found.pop())
