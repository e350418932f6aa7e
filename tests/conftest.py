"""Fixtures that need PostgreSQL: an empty migrated database for each test that asks."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psycopg
import pytest
import structlog
from structlog.contextvars import clear_contextvars
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from infra.logs import configure_logs
from infra.postgres.connect import Database
from infra.postgres.migrate import migrate
from retinue.testing.lent_database import LentDatabase
from tests.support.postgres import DatabaseServer, postgres

__all__ = ["postgres"]


@pytest.fixture(scope="session")
def lent_database(postgres: DatabaseServer) -> Iterator[LentDatabase]:
    """The database that tests have one after the other."""
    lent = LentDatabase(postgres, postgres.template_database(migrate))
    yield lent
    lent.close()


class _ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """Each file's tests in one process, in their order; all that use the fresh checkout in the process that has it."""

    def _split_scope(self, nodeid: str) -> str:
        path = str(super()._split_scope(nodeid))
        return "tests/acceptance" if path.startswith("tests/acceptance/") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """How `pytest -n` shares the tests out where it is to do so by file."""
    return _ByFile(config, log) if config.getoption("dist") == "loadfile" else None


#: What the loggers are made of where `info` is the lowest level.
_USUAL_LOGGER = structlog.make_filtering_bound_logger(logging.INFO)


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A test that performs a job in its own thread leaves the job's log context there, a command its level."""
    yield
    clear_contextvars()
    if structlog.is_configured() and structlog.get_config()["wrapper_class"] is not _USUAL_LOGGER:
        configure_logs("console", "info")


@pytest.fixture
def database_url(lent_database: LentDatabase) -> Iterator[str]:
    """An empty database for this test alone, at the newest schema."""
    with lent_database.lend() as url:
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
