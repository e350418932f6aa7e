"""Checks of the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from infra.doctor.check import Check, failed, ok, warning
from infra.postgres.revision import HEAD, SchemaMismatch, require_head
from infra.postgres.statements import statement

if TYPE_CHECKING:
    from infra.settings import Settings

#: Clocks further apart than this make times look odd, in seconds …
SKEW_WARNING_SECONDS = 2.0
#: … and than this, snoozes and schedules come at the wrong time.
SKEW_FAILED_SECONDS = 30.0

#: Partitions that must stand ready: today's and tomorrow's.
_DAYS_AHEAD = 1


def reachable(connection: psycopg.Connection) -> Check:
    """Which server answers, as whom."""
    info = connection.info
    version = f"{info.server_version // 10_000}.{info.server_version % 10_000}"
    where = f"{info.host}:{info.port}"
    return ok("database", f"PostgreSQL {version} answers at {where}, database {info.dbname!r} as user {info.user!r}.")


def migrations(connection: psycopg.Connection) -> Check:
    """Whether the schema is the one this code needs."""
    try:
        require_head(connection)
    except SchemaMismatch as error:
        return failed("migrations", error.message, "`retinue migrate` brings an older database up to date.")
    return ok("migrations", f"The schema is at revision {HEAD}, the newest.")


def clock_skew(connection: psycopg.Connection, _settings: Settings) -> Iterator[Check]:
    """How far this machine's clock is from the database's."""
    before = datetime.now(UTC)
    row = connection.execute(statement("read_now")).fetchone()
    after = datetime.now(UTC)
    there = row[0] if row else before
    apart = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    if apart <= SKEW_WARNING_SECONDS:
        yield ok("clock", f"This machine's clock and the database's are at most {max(apart, 0.1):.1f} s apart.")
        return
    make = failed if apart > SKEW_FAILED_SECONDS else warning
    yield make(
        "clock",
        f"This machine's clock and the database's are {apart:.0f} s apart.",
        "Let NTP keep both machines' clocks.",
    )


def partitions(connection: psycopg.Connection, _settings: Settings) -> Iterator[Check]:
    """Whether the history's coming days have their partitions."""
    params = {"days_ahead": _DAYS_AHEAD}
    missing = [row[0] for row in connection.execute(statement("list_missing_partitions"), params)]
    filled = [row[0] for row in connection.execute(statement("list_filled_default_partitions"))]
    mend = "A scheduler makes them at its start and every 15 minutes: start one, or look at its log."
    if filled:
        yield warning("partitions", f"{' and '.join(filled)}: rows lie in the default partition.", mend)
    if missing:
        yield warning("partitions", f"Missing: {', '.join(missing)}.", mend)
    if not filled and not missing:
        yield ok("partitions", "History's partitions stand ready for today and tomorrow.")
