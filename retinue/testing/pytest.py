"""Fixtures for tests of servants: put `pytest_plugins = ["retinue.testing.pytest"]` into your conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.migrate import migrate
from retinue.testing.database import RetinueDatabase
from retinue.testing.lent_database import LentDatabase
from retinue.testing.postgres import throwaway_server
from scheduler.retain import Retain

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]


@pytest.fixture(scope="session")
def retinue_schema() -> str:
    """SQL that makes your own tables, run once a session; override it in your conftest."""
    return ""


@pytest.fixture(scope="session")
def retinue_template(retinue_schema: str) -> Iterator[LentDatabase]:
    """A database with Retinue's schema and yours, lent to test after test."""

    def prepare(url: str) -> None:
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(retinue_schema.encode())
        # The partitions of these days, so that no test has to make them.
        pool = Database(url, application_name="retinue-testing")
        Retain(pool, history_days=1).run_once()
        pool.close()

    key = f"kit_{sha256(retinue_schema.encode()).hexdigest()[:8]}"
    with throwaway_server() as server:
        lent = LentDatabase(server, server.template_database(prepare, key=key))
        yield lent
        lent.close()


@pytest.fixture
def retinue_database(retinue_template: LentDatabase) -> Iterator[RetinueDatabase]:
    """An empty database for this test alone."""
    with retinue_template.lend() as url:
        database = RetinueDatabase(url)
        yield database
        database.close()
