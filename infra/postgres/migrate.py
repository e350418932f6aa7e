"""Brings a database to the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from infra.postgres.connect import connect, sqlalchemy_url
from infra.postgres.revision import HEAD, current_revision, require_head

_HERE = Path(__file__).parent

#: Serialises migrations of one database: any number of processes may ask for one at once.
_MIGRATION_LOCK = 7_218_310_047


def migrate(database_url: str) -> list[str]:
    """Run the migrations that are missing; returns their revisions, oldest first.

    Raises:
        SchemaMismatch: the database is newer than this code.
        DatabaseUnreachable: nothing answers at `database_url`.
    """
    with connect(database_url, application_name="retinue-migrate", autocommit=True) as guard:
        guard.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        before = current_revision(guard)
        if before is not None and before > HEAD:
            require_head(guard)
        command.upgrade(_config(database_url), "head")
        return _revisions_after(before)


def newest_revision() -> str | None:
    """The head of the migration scripts, as Alembic sees it."""
    return ScriptDirectory.from_config(_config("postgresql://")).get_current_head()


def _revisions_after(before: str | None) -> list[str]:
    scripts = ScriptDirectory.from_config(_config("postgresql://"))
    return [script.revision for script in reversed(list(scripts.iterate_revisions("head", before or "base")))]


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE / "migrations").replace("%", "%%"))
    config.attributes["url"] = sqlalchemy_url(database_url)
    return config
