"""A session of the manager's role without any code of ours between."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from infra.postgres.logins import Login
from tests.support.manager_database import logins_of


@pytest.fixture
def operator(database_url: str) -> Iterator[psycopg.Connection]:
    """One on the test's database."""
    with psycopg.connect(logins_of(database_url)[Login.OPERATOR], autocommit=True) as connection:
        yield connection
