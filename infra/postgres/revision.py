"""Which revision of the schema this code needs, known without importing Alembic; a test compares it with the newest."""

from __future__ import annotations

import psycopg

from retinue.errors import ConfigurationError

#: The newest migration in `infra/postgres/migrations/versions`.
HEAD = "0001"


class SchemaMismatch(ConfigurationError):
    """The database's schema is not the one this code needs."""


def current_revision(connection: psycopg.Connection) -> str | None:
    """The database's revision, or None where no migration has run."""
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def require_head(connection: psycopg.Connection) -> None:
    """Check that every migration has run, and no newer one.

    Raises:
        SchemaMismatch: names both revisions and the command that mends it.
    """
    found = current_revision(connection)
    if found == HEAD:
        return
    if found is None or found < HEAD:
        raise SchemaMismatch(
            f"A migration is missing: the database is at revision {found or 'none'}, this version of Retinue needs "
            f"{HEAD}. Run `retinue migrate`."
        )
    raise SchemaMismatch(
        f"The database is at revision {found}, newer than the {HEAD} that this version of Retinue knows. "
        "Upgrade Retinue."
    )
