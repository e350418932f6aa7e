"""PostgreSQL for these tests: the testing kit's server, and Debian's other versions where they are installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.local.postgres_cluster import debian_binaries
from retinue.testing.postgres import DatabaseServer, embedded_server, free_port, run_directory, throwaway_server

__all__ = ["OWN_CONNECTIONS", "DatabaseServer", "debian_server", "free_port", "postgres"]

#: The end of a question about connections of a name: the server is shared with tests that run beside the one that asks.
OWN_CONNECTIONS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"


@pytest.fixture(scope="session")
def postgres() -> Iterator[DatabaseServer]:
    """The run's server: the one named in the environment, else an embedded one."""
    with throwaway_server() as server:
        yield server


@contextmanager
def debian_server(major: int) -> Iterator[DatabaseServer]:
    """A server of Debian's programs, for a test that wants this version; skips where they are not installed."""
    binaries = debian_binaries(major)
    if binaries is None:
        pytest.skip(f"Debian's PostgreSQL {major} is not installed")
    directory = run_directory()
    with embedded_server(directory.with_name(f"{directory.name}-{major}"), binaries=binaries) as server:
        yield server
