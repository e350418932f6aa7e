"""`retinue scheduler`, `servant` and `manager`: the processes that supervisord runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from cli.environment import current_settings, load_structlog_alone
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from infra.postgres.connect import Database
    from infra.queues.transport import Queues
    from infra.settings import Settings

#: Processes that start side by side wait so long for the servers they need, in seconds.
PATIENCE_SECONDS = 60.0

#: Between two tries, in seconds.
PAUSE_SECONDS = 1.0

#: Database connections of a servant on top of one for each slot: claims, settling, heartbeats, the start.
_OWN_CONNECTIONS = 4

#: While the database is away, most pages of the manager say so at once; one in this many seconds tries.
_AWAY_SECONDS = 2.0

T = TypeVar("T")


@click.command(short_help="Run a scheduler.")
@needs(Permission.MACHINE_RUN)
def scheduler() -> None:
    """Run a scheduler: it plans, dispatches, rescues and retains until SIGTERM. Any number may run."""
    with process_settings() as settings, servers(settings, "retinue-scheduler") as (database, queues):
        from scheduler.process import SchedulerProcess

        status = SchedulerProcess(settings, database=database, queues=queues).run()
    raise SystemExit(status)


@click.command(short_help="Run a servant of one type.")
@needs(Permission.MACHINE_RUN)
@click.argument("job_type", metavar="TYPE")
def servant(job_type: str) -> None:
    """Run a servant that performs jobs of TYPE; SIGTERM drains it."""
    from retinue.servant import load_servant

    with process_settings() as settings:
        from infra.secrets import Keyring
        from servants.runtime.process import ServantProcess
        from servants.runtime.registration import connections_of

        declared = load_servant(job_type)
        keyring = Keyring.from_settings(settings)
        most = connections_of(declared) + _OWN_CONNECTIONS
        with servers(settings, f"retinue-{job_type}", max_connections=most) as (database, queues):
            patiently("queue_awaited", lambda: queues.ensure(job_type))
            status = ServantProcess(declared, settings, database=database, queues=queues, keyring=keyring).run()
    raise SystemExit(status)


@click.command(short_help="Run the manager.")
@needs(Permission.MACHINE_RUN)
def manager() -> None:
    """Run the manager: the pages that show operators jobs and servants."""
    with process_settings() as settings:
        from infra.postgres.account_database import AccountDatabase
        from infra.postgres.logins import Login, ensure_logins

        # The one place where it needs the owner's address: it derives its own passwords, and makes a role that is
        # missing. Nothing that it does later has a session of the owner.
        logins = patiently("database_awaited", lambda: ensure_logins(settings.database_url))
        mine, name = logins[Login.OPERATOR], "retinue-manager"
        with (
            servers(settings, name, away_seconds=_AWAY_SECONDS, database_url=mine) as (database, queues),
            closing(AccountDatabase(logins, application_name=name)) as accounts,
        ):
            from manager.process import ManagerProcess
            from servants.salesforce.client.web_flow import WebFlow

            status = ManagerProcess(
                settings, database=database, accounts=accounts, queues=queues, sign_in_to_org=WebFlow
            ).run()
    raise SystemExit(status)


@contextmanager
def process_settings() -> Iterator[Settings]:
    """The settings, the logs configured by them. A wrong one ends the process in the way that supervisord heeds.

    Raises:
        SystemExit: with 78, after the message is on standard error.
    """
    load_structlog_alone()
    from infra.logs import configure_logs
    from infra.redaction import mask_text
    from infra.supervisor.exits import leave_misconfigured
    from retinue.errors import ConfigurationError, UnknownType

    try:
        settings = current_settings()
        configure_logs(settings.log_format, settings.log_level)
        yield settings
    except (ConfigurationError, UnknownType) as error:
        leave_misconfigured(f"Error: {mask_text(error.message)}")


@contextmanager
def servers(
    settings: Settings,
    application_name: str,
    *,
    max_connections: int = 8,
    away_seconds: float = 0,
    database_url: str | None = None,
) -> Iterator[tuple[Database, Queues]]:
    """The database, which answers and is at the newest schema, and the queues; `away_seconds` as in `Database`.

    Both are entered by `database_url` where that is not to be the settings' own, which is the owner's.

    Raises:
        DatabaseUnreachable: nothing answers, not within `PATIENCE_SECONDS` either.
        SchemaMismatch: a migration is missing, or there is one too many.
    """
    from infra.postgres.connect import Database
    from infra.queues.choose import queues_from

    url = database_url or settings.database_url
    patiently("database_awaited", lambda: _require_schema(url))
    database = Database(
        url,
        application_name=application_name,
        max_connections=max_connections,
        away_seconds=away_seconds,
    )
    queues = queues_from(settings, database_url=url)
    try:
        yield database, queues
    finally:
        queues.close()
        database.close()


def patiently(event: str, attempt: Callable[[], T]) -> T:
    """What `attempt` returns, tried again while a server is not reachable yet; each failure is logged as `event`.

    Raises:
        TransientError: the last failure, once `PATIENCE_SECONDS` have passed.
    """
    from infra.logs import get_logger
    from retinue.errors import TransientError

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return attempt()
        except TransientError as error:
            if time.monotonic() + PAUSE_SECONDS > deadline:
                raise
            get_logger(__name__).warning(event, problem=error.message, retry_seconds=PAUSE_SECONDS)
            time.sleep(PAUSE_SECONDS)


def _require_schema(database_url: str) -> None:
    from infra.postgres.connect import connect
    from infra.postgres.revision import require_head

    with connect(database_url, application_name="retinue-start") as connection:
        require_head(connection)
