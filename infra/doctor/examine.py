"""All checks, in the order in which one stands on another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import psycopg

from infra.doctor import database, messages, processes, providers, queues, secrets, work
from infra.doctor.check import Check, failed, ok, warning
from infra.postgres.connect import DatabaseUnreachable, connect

if TYPE_CHECKING:
    from infra.settings import Settings

#: A check that needs the database at the newest schema.
DatabaseCheck = Callable[[psycopg.Connection, "Settings"], Iterator[Check]]

_DATABASE_CHECKS: tuple[DatabaseCheck, ...] = (
    database.clock_skew,
    database.partitions,
    messages.tables,
    secrets.stored_credentials,
    processes.schedulers,
    processes.servants,
    work.overdue,
    work.parked,
    providers.incidents,
    providers.breakers,
)


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, as it is made. What stands on something that failed is left out."""
    yield from _settings(settings)
    if settings.transport == "sqs":
        yield from queues.reachable(settings)
    try:
        with connect(settings.database_url, application_name="retinue-doctor", autocommit=True) as connection:
            yield from _database(connection, settings)
    except DatabaseUnreachable as error:
        yield failed("database", error.message, "The checks that need it were left out.")


def _settings(settings: Settings) -> Iterator[Check]:
    found = settings.check()
    for finding in found:
        make = failed if finding.level == "error" else warning
        yield make("settings", f"{finding.setting}: {finding.message}", "`retinue check-config` shows every setting.")
    if not found:
        yield ok("settings", "The settings fit together.")


def _database(connection: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    yield database.reachable(connection)
    schema = database.migrations(connection)
    yield schema
    if not schema.mend:
        for check in _DATABASE_CHECKS:
            yield from _guarded(check, connection, settings)


def _guarded(check: DatabaseCheck, connection: psycopg.Connection, settings: Settings) -> Iterator[Check]:
    """One check that cannot be made must not keep the others from being made."""
    try:
        yield from check(connection, settings)
    except psycopg.Error as error:
        name = check.__name__.replace("_", " ")
        yield failed(name, f"This could not be looked at: {error}", "Look at PostgreSQL's log.")
