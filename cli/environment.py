"""What commands work with: the settings, a connection to the database, the bell."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

    from infra.settings import Settings


def current_settings() -> Settings:
    """The settings; where they name no database, those of the embedded stack in the data directory, if there is one.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    load_structlog_alone()
    from infra.logs import configure_logs
    from infra.settings import load_settings

    settings = load_settings()
    configure_logs("console", "warning")
    if "database_url" in settings.model_fields_set:
        return settings
    from infra.local.environment import local_environment

    local = local_environment(settings)
    os.environ.update(local)
    return load_settings() if local else settings


def load_structlog_alone() -> None:
    """Where rich is installed, structlog loads it to draw tracebacks, which our logs do not.

    It would take 4 MiB of each process, and a sixth of the time of most commands.
    """
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment] # how Python says that there is no such module
        import_module("structlog")
        del sys.modules["rich"]


@contextmanager
def database_connection(settings: Settings | None = None) -> Iterator[psycopg.Connection]:
    """A connection to the database at the newest schema, in a transaction that commits at the end of the block.

    Raises:
        DatabaseUnreachable: nothing answers.
        SchemaMismatch: a migration is missing, or there is one too many.
    """
    from infra.postgres.connect import connect
    from infra.postgres.revision import require_head

    url = (settings or current_settings()).database_url
    with connect(url, application_name="retinue-cli") as connection:
        require_head(connection)
        yield connection


def ring_bell(settings: Settings) -> None:
    """Wake the schedulers, after a commit that made work for them."""
    from infra.postgres.bell import Bell

    bell = Bell(settings.database_url)
    bell.ring()
    bell.close()
