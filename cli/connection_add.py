"""`retinue connections add`: one command for each provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from cli.credentials import check_calendar_sign_in, check_mail_sign_in, oauth_option, password_options, read_credentials
from cli.environment import current_settings, database_connection, ring_bell
from cli.params import Duration, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from infra.postgres.calendar_connections import AddedConnection
    from infra.postgres.mail_connections import AddedMailConnection
    from infra.postgres.salesforce_connections import AddedSalesforceConnection

Added = TypeVar("Added")


@click.group()
def add() -> None:
    """Add a connection to a provider."""


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every connection is given: its account, a name, how often to sync."""
    for option in (
        click.option(
            "--every", metavar="DURATION", type=Duration(), default="60s", show_default=True, help="How often to sync."
        ),
        click.option("--name", help="A name of its own within the account."),
        click.option("--account", metavar="ID|NAME", required=True, help="The account, by ID or by name."),
    ):
        command = option(command)
    return command


@add.command("caldav", short_help="Add a CalDAV server and sync its calendars.")
@needs(Permission.WORK_ACT, notes="connection.add")
@click.option("--url", required=True, help="The server's address, or that of the user's principal or calendar home.")
@click.option("--username", required=True, help="The user to sign in as.")
@common_options
@password_options
@json_option
def add_caldav(url: str, username: str, password_stdin: bool, as_json: bool, **options: Any) -> None:
    """Add a CalDAV server and the schedule that syncs its calendars; the first sync is due at once.

    Without a name the connection is called as its server is.
    """
    from infra.postgres.calendar_connections import add_caldav_connection

    here = Installation()
    config, credentials = {"url": url, "username": username}, read_credentials(password_stdin=password_stdin)
    check_calendar_sign_in(config, credentials)
    name = options["name"] or urlsplit(url).hostname or "caldav"
    made = here.add(
        add_caldav_connection, options, provider="caldav", name=name, config=config, credentials=credentials
    )
    print_added(made, as_json=as_json)


@add.command("imap", short_help="Add a mailbox and sync its mail.")
@needs(Permission.WORK_ACT, notes="connection.add")
@click.option("--host", required=True, help="The mail server's name.")
@click.option("--port", type=click.IntRange(1, 65535), help="Its port; 993 with tls, else 143, unless given.")
@click.option(
    "--tls",
    type=click.Choice(["tls", "starttls", "none"]),
    default="tls",
    show_default=True,
    help="How it is encrypted; none only for a server on this machine.",
)
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="A PEM file of the authorities to trust instead of this machine's; servants read it at the same place.",
)
@click.option("--username", required=True, help="The user to sign in as.")
@common_options
@password_options
@oauth_option
@json_option
def add_imap(as_json: bool, **options: Any) -> None:
    """Add a mailbox, the schedule that syncs it and the one that keeps a watch on it; the first sync is due at once.

    Without a name the connection is called as its user is.
    """
    from infra.postgres.mail_connections import add_imap_connection

    here = Installation()
    names = ("host", "port", "tls", "ca_file", "username")
    config = {name: options[name] for name in names if options[name] is not None}
    credentials = read_credentials(password_stdin=options["password_stdin"], oauth=options["oauth"])
    check_mail_sign_in(config, credentials)
    name = options["name"] or options["username"]
    made = here.add(add_imap_connection, options, provider="imap", name=name, config=config, credentials=credentials)
    print_added(made, as_json=as_json, watch=made.watch_schedule_id)


class Installation:
    """Where connections are added to. Made before anybody is asked for a password: without a key none can be kept."""

    def __init__(self) -> None:
        from infra.secrets import Keyring

        self._settings = current_settings()
        self._keyring = Keyring.from_settings(self._settings)

    def add(self, make: Callable[..., Added], options: dict[str, Any], **fields: Any) -> Added:
        """Make a connection of these fields and its schedules in one transaction, and wake the schedulers."""
        from infra.postgres.accounts import find_account
        from infra.postgres.connections import NewConnection

        rhythm = {name: options[name] for name in ("every", "quota_share") if name in options}
        with database_connection(self._settings) as connection:
            new = NewConnection(account_id=find_account(connection, options["account"]).id, **fields)
            made = make(connection, self._keyring, new, **rhythm)
        ring_bell(self._settings)
        return made


def print_added(
    made: AddedConnection | AddedMailConnection | AddedSalesforceConnection, *, as_json: bool, watch: int | None = None
) -> None:
    """Tell what was made, and what to do next."""
    from cli.output import print_json

    if as_json:
        print_json(made)
        return
    click.echo(
        f"Connection {made.connection_id} was added; schedule {made.schedule_id} syncs it, the first time at once."
    )
    if watch is not None:
        click.echo(f"Schedule {watch} keeps a watch on it, so that new mail is synced as it comes.")
    click.echo(f"`retinue connections test {made.connection_id}` tries it out.")
