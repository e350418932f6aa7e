"""`retinue connections`: an account's links to its providers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from cli.budgets import budget
from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import ID, Duration, account_option, json_option

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.calendar_connections import AddedConnection
    from infra.postgres.connections import ConnectionLine
    from infra.settings import Settings
    from servants.probing import ProbeReport


@click.group()
def connections() -> None:
    """Look at connections, add and test them."""


@connections.command("list")
@account_option
@click.option("--after", default=0, type=click.IntRange(0), metavar="ID", help="Only those beyond this ID.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_connections(account: str | None, after: int, limit: int, as_json: bool) -> None:
    """List connections by ID, never their credentials."""
    from cli.output import print_json, print_table
    from infra.postgres import connections as stored
    from infra.postgres.accounts import find_account

    with database_connection() as connection:
        account_id = None if account is None else find_account(connection, account).id
        found = stored.list_connections(connection, account_id=account_id, after=after, limit=limit)
    if as_json:
        print_json({"connections": found})
    else:
        print_table(found, _columns(), empty="No such connections. `retinue connections add caldav` makes one.")


@connections.group("add")
def add() -> None:
    """Add a connection to a provider."""


def password_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--password-stdin` to a command; without it the password is asked for."""
    return click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")(
        command
    )


@add.command("caldav", short_help="Add a CalDAV server and sync its calendars.")
@click.option("--account", metavar="ID|NAME", required=True, help="The account, by ID or by name.")
@click.option("--url", required=True, help="The server's address, or that of the user's principal or calendar home.")
@click.option("--username", required=True, help="The user to sign in as.")
@click.option("--name", help="A name of its own within the account; the server's unless given.")
@click.option(
    "--every", metavar="DURATION", type=Duration(), default="60s", show_default=True, help="How often to sync."
)
@password_options
@json_option
def add_caldav(account: str, password_stdin: bool, as_json: bool, **options: Any) -> None:
    """Add a CalDAV server and the schedule that syncs its calendars; the first sync is due at once."""
    from infra.secrets import Keyring

    settings = current_settings()
    keyring = Keyring.from_settings(settings)
    password = _read_password(password_stdin)
    _check_sign_in(options["url"], options["username"], password)
    with database_connection(settings) as connection:
        made = _add_caldav(connection, keyring, account, password, options)
    ring_bell(settings)
    _print_added(made, as_json=as_json)


@connections.command("test")
@click.argument("connection_id", metavar="ID", type=ID)
@json_option
def test_connection(connection_id: int, as_json: bool) -> None:
    """Try a connection out, step by step. Where all is well, its parked lanes go on."""
    _test(current_settings(), connection_id, as_json=as_json)


@connections.command("password")
@click.argument("connection_id", metavar="ID", type=ID)
@password_options
@json_option
def change_password(connection_id: int, password_stdin: bool, as_json: bool) -> None:
    """Store a new password for a connection, then test it."""
    from infra.postgres.connections import read_connection, update_connection
    from infra.secrets import Keyring

    settings = current_settings()
    keyring = Keyring.from_settings(settings)
    credentials = {"password": _read_password(password_stdin)}
    with database_connection(settings) as connection:
        stored = read_connection(connection, connection_id)
        update_connection(connection, keyring, connection_id, config=stored.config, credentials=credentials)
    _test(settings, connection_id, as_json=as_json)


@connections.command("reseal", short_help="Seal all credentials under the current key.")
@json_option
def reseal(as_json: bool) -> None:
    """Seal every connection's credentials under the current key, so that a retired key can go."""
    from cli.output import print_json
    from infra.postgres.reseal import reseal_connections
    from infra.secrets import Keyring
    from infra.words import counted

    settings = current_settings()
    keyring = Keyring.from_settings(settings)
    with database_connection(settings) as connection:
        done = reseal_connections(connection, keyring)
    if as_json:
        print_json({"resealed": done.resealed, "problems": list(done.problems)})
    else:
        click.echo(f"{counted(done.resealed, 'connection')} sealed anew under key {keyring.current.id}.")
        for problem in done.problems:
            click.echo(problem, err=True)
    if done.problems:
        raise SystemExit(1)


connections.add_command(budget)


def _add_caldav(connection: Any, keyring: Any, account: str, password: str, options: dict[str, Any]) -> AddedConnection:
    from infra.postgres.accounts import find_account
    from infra.postgres.calendar_connections import add_caldav_connection
    from infra.postgres.connections import NewConnection

    new = NewConnection(
        account_id=find_account(connection, account).id,
        provider="caldav",
        name=options["name"] or urlsplit(options["url"]).hostname or "caldav",
        config={"url": options["url"], "username": options["username"]},
        credentials={"password": password},
    )
    return add_caldav_connection(connection, keyring, new, every=options["every"])


def _check_sign_in(url: str, username: str, password: str) -> None:
    from retinue.errors import PermanentError
    from servants.calendar.client import SignIn

    try:
        SignIn.from_settings({"url": url, "username": username}, {"password": password})
    except PermanentError as error:
        raise BadInput(error.message) from error


def _read_password(from_stdin: bool) -> str:
    if not from_stdin:
        return str(click.prompt("Password", hide_input=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise BadInput("There is no password on standard input.")
    return password


def _test(settings: Settings, connection_id: int, *, as_json: bool) -> None:
    """Try the connection out; exits with 1 where a step fails."""
    from cli.output import print_json
    from infra.postgres.connections import mark_active, open_connection
    from infra.secrets import Keyring
    from servants.calendar.probe import probe

    with database_connection(settings) as connection:
        opened = open_connection(connection, Keyring.from_settings(settings), connection_id)
    if opened.provider != "caldav":
        raise BadInput(f"Connection {connection_id} is for {opened.provider!r}; only caldav connections can be tested.")
    report = probe(opened.config, opened.credentials)
    resumed: list[str] = []
    if report.ok:
        with database_connection(settings) as connection:
            resumed = mark_active(connection, connection_id)
        ring_bell(settings)
    if as_json:
        print_json({"connection_id": connection_id, "ok": report.ok, "steps": report.steps, "resumed": resumed})
    else:
        _print_report(report, resumed)
    if not report.ok:
        raise click.exceptions.Exit(1)


def _print_report(report: ProbeReport, resumed: list[str]) -> None:
    from cli.output import one_line

    for step in report.steps:
        mark = click.style("ok    ", fg="green") if step.ok else click.style("failed", fg="red", bold=True)
        click.echo(f"{mark}  {step.name:<12} {one_line(step.message, width=2000)}")
    for job_type in resumed:
        click.echo(f"Its parked {job_type} jobs go on.")


def _print_added(made: AddedConnection, *, as_json: bool) -> None:
    from cli.output import print_json

    if as_json:
        print_json(made)
        return
    click.echo(
        f"Connection {made.connection_id} was added; schedule {made.schedule_id} syncs it, the first time at once."
    )
    click.echo(f"`retinue connections test {made.connection_id}` tries it out.")


def _columns() -> list[Column[ConnectionLine]]:
    from cli.job_views import account_words, short_moment
    from cli.output import Column, one_line

    def state(line: ConnectionLine) -> str:
        return "parked" if line.parked_at else line.state

    return [
        Column("ID", lambda line: line.id, right=True),
        Column("Account", lambda line: account_words(line.account_id, line.account_name)),
        Column("Provider", lambda line: line.provider),
        Column("Name", lambda line: line.name),
        Column("User", lambda line: line.config.get("username", "") if isinstance(line.config, dict) else ""),
        Column("State", state, style=lambda line: "" if state(line) == "active" else "bold red"),
        Column("Problem", lambda line: one_line(line.parked_reason or line.problem or "")),
        Column("Created (UTC)", lambda line: short_moment(line.created_at)),
    ]
