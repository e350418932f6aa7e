"""Fixtures that need PostgreSQL: an empty migrated database for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.migrate import migrate
from tests.support.postgres import DatabaseServer, postgres

__all__ = ["postgres"]


@pytest.fixture
def database_url(postgres: DatabaseServer) -> Iterator[str]:
    """A database of the test's own, at the newest schema."""
    with postgres.fresh_database(postgres.template_database(migrate)) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A pool on it."""
    pool = Database(database_url, application_name="tests", max_connections=8)
    yield pool
    pool.close()


@pytest.fixture
def sql(database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to it, for looking and for arranging."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection
