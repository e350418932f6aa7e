"""A database that is lent again is as it was made, whatever the last borrower did to its rows."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from retinue.testing.lent_database import LentDatabase

_COUNTS = """
SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM jobs), (SELECT count(*) FROM job_history),
    (SELECT count(*) FROM operator_actions)
"""
_ANALYZED = """
SELECT count(*) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples >= 0 AND relname <> 'alembic_version'
"""
_USED = "SELECT count(*) FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"


def rows(sql: psycopg.Connection) -> None:
    sql.execute("INSERT INTO accounts (name) SELECT 'account ' || n FROM generate_series(1, 50) AS n")


def many_rows(sql: psycopg.Connection) -> None:
    sql.execute("INSERT INTO accounts (name) SELECT 'account ' || n FROM generate_series(1, 5000) AS n")


def rolled_back(sql: psycopg.Connection) -> None:
    with sql.transaction(force_rollback=True):
        rows(sql)


def failed(sql: psycopg.Connection) -> None:
    rows(sql)
    with pytest.raises(psycopg.errors.NotNullViolation):
        sql.execute("INSERT INTO jobs (type) VALUES (NULL)")
    sql.execute("DELETE FROM accounts")


def numbered(sql: psycopg.Connection) -> None:
    sql.execute("SELECT nextval(pg_get_serial_sequence('accounts', 'id'))")


def analyzed(sql: psycopg.Connection) -> None:
    sql.execute("ANALYZE")


def audited(sql: psycopg.Connection) -> None:
    sql.execute(
        "INSERT INTO operator_actions (actor_kind, actor_name, action, target_kind)"
        " VALUES ('person', 'ann', 'job.retry', 'job')"
    )


@pytest.mark.parametrize("change", [rows, many_rows, rolled_back, failed, numbered, analyzed, audited])
def test_the_next_borrower_finds_it_as_new(
    lent_database: LentDatabase, change: Callable[[psycopg.Connection], None]
) -> None:
    with lent_database.lend() as url, psycopg.connect(url, autocommit=True) as sql:
        change(sql)
    with lent_database.lend() as again, psycopg.connect(again, autocommit=True) as sql:
        assert again == url
        assert sql.execute(_COUNTS).fetchone() == (0, 0, 0, 0)
        assert [sql.execute(look).fetchone() for look in (_ANALYZED, _USED)] == [(0,), (0,)]
        audited(sql)
        with pytest.raises(psycopg.errors.RestrictViolation):
            sql.execute("DELETE FROM operator_actions")
        assert sql.execute("INSERT INTO accounts (name) VALUES ('first') RETURNING id").fetchone() == (1,)
