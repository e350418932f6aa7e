"""Fixtures that need PostgreSQL: an empty migrated database for each test that asks."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import psycopg
import pytest
import structlog
from hypothesis import settings
from structlog.contextvars import clear_contextvars
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from infra.logs import configure_logs
from infra.postgres.connect import Database
from infra.postgres.migrate import migrate
from retinue.testing.lent_database import LentDatabase
from tests.support.manager_database import OwnerDatabase
from tests.support.postgres import DatabaseServer, postgres

__all__ = ["postgres"]


@pytest.fixture(scope="session")
def lent_database(postgres: DatabaseServer) -> Iterator[LentDatabase]:
    """The database that tests have one after the other."""
    lent = LentDatabase(postgres, postgres.template_database(migrate))
    yield lent
    lent.close()


#: Files that share the fresh checkout, which is made once.
USERS_OF_THE_CHECKOUT = frozenset(
    f"tests/acceptance/test_{name}.py" for name in ("fresh_checkout", "refusals", "third_party_servant", "wheel")
)

#: Directories of tests that mostly wait for processes; so many files of others stand between two of theirs.
_WAITING = ("tests/acceptance/", "tests/browser/", "tests/faults/")
_OTHERS_BETWEEN = 3


class _ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """Each file's tests in one process, in their order; all that use the fresh checkout in the process that has it."""

    def _split_scope(self, nodeid: str) -> str:
        path = str(super()._split_scope(nodeid))
        return "the fresh checkout" if path in USERS_OF_THE_CHECKOUT else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """How `pytest -n` shares the tests out where it is to do so by file."""
    return _ByFile(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and mix what waits with what computes: the machine has few cores."""
    if not hasattr(config, "workerinput"):
        return
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    shared = [name for name in files if name in USERS_OF_THE_CHECKOUT]
    waiting = [name for name in files if name.startswith(_WAITING) and name not in shared]
    others = [name for name in files if not name.startswith(_WAITING)]
    order = list(shared)
    for number, name in enumerate(waiting):
        order += [name, *others[_OTHERS_BETWEEN * number : _OTHERS_BETWEEN * (number + 1)]]
    order += others[_OTHERS_BETWEEN * len(waiting) :]
    items[:] = [item for name in order for item in files[name]]


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the garbage collector need not look through it again and again."""
    gc.freeze()


# How long an example takes says how busy the machine is; tests of speed measure it themselves.
settings.register_profile("retinue", deadline=None)
settings.load_profile("retinue")

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
    pool = OwnerDatabase(database_url, application_name="tests", max_connections=8)
    yield pool
    pool.close()


@pytest.fixture
def sql(database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to it, for looking and for arranging."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection
