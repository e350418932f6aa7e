"""Migrations: they lead to the very schema that the code describes, run once, and refuse what they do not know."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres.connect import DatabaseUnreachable
from infra.postgres.ddl import schema_statements
from infra.postgres.migrate import migrate, newest_revision
from infra.postgres.revision import HEAD, SchemaMismatch, current_revision, require_head
from tests.support.catalog import describe
from tests.support.postgres import DatabaseServer, free_port
from tests.support.race import together


@pytest.fixture
def empty_url(postgres: DatabaseServer) -> Iterator[str]:
    """A database with nothing in it."""
    with postgres.fresh_database() as url:
        yield url


@pytest.fixture
def described(empty_url: str) -> Iterator[psycopg.Connection]:
    """A database made from the schema as the code describes it, without migrations."""
    with psycopg.connect(empty_url, autocommit=True) as connection:
        for statement in schema_statements():
            connection.execute(statement.encode())
        yield connection


def test_the_migrations_make_the_schema_that_the_code_describes(
    described: psycopg.Connection, sql: psycopg.Connection
) -> None:
    assert describe(sql) == describe(described)


def test_the_catalogs_questions_find_something(sql: psycopg.Connection) -> None:
    """A comparison of two empty answers would hold of anything."""
    assert {question for question, rows in describe(sql).items() if not rows} == set()


def test_the_code_knows_the_newest_revision() -> None:
    assert newest_revision() == HEAD


def test_migrating_names_what_it_ran_and_then_has_nothing_to_do(empty_url: str) -> None:
    assert migrate(empty_url)[-1] == HEAD
    assert migrate(empty_url) == []
    with psycopg.connect(empty_url) as connection:
        assert current_revision(connection) == HEAD
        require_head(connection)


def test_two_migrations_at_once_run_one_after_the_other(empty_url: str) -> None:
    ran = together([lambda: migrate(empty_url), lambda: migrate(empty_url)])
    assert min(len(revisions) for revisions in ran) == 0
    assert [HEAD] in [revisions[-1:] for revisions in ran]


def test_a_missing_migration_says_how_to_mend_it(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        assert current_revision(connection) is None
        with pytest.raises(SchemaMismatch, match=f"at revision none.*needs {HEAD}. Run `retinue migrate`"):
            require_head(connection)


def test_a_database_newer_than_the_code_is_left_alone(database_url: str, sql: psycopg.Connection) -> None:
    sql.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match=f"revision 9999, newer than the {HEAD}.*Upgrade Retinue"):
        migrate(database_url)
    with pytest.raises(SchemaMismatch, match="newer"):
        require_head(sql)


def test_an_unreachable_database_is_named_without_its_password() -> None:
    port = free_port()
    with pytest.raises(DatabaseUnreachable) as caught:
        migrate(f"postgresql://someone:hidden@127.0.0.1:{port}/shop")
    message = caught.value.message
    assert f"'shop' at 127.0.0.1:{port}" in message
    assert "'someone'" in message
    assert "RETINUE_DATABASE_URL" in message
    assert "hidden" not in message
