"""`retinue connections`: an account's links to its providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

import click

from cli.budgets import budget
from cli.connection_add import add
from cli.connection_add_salesforce import add_salesforce, sign_in
from cli.connection_remove import remove
from cli.connection_set import change_connection
from cli.connection_trial import try_out
from cli.credentials import oauth_option, password_options, read_credentials
from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import ID, account_option, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from cli.output import Column
    from infra.postgres.connections import ConnectionLine
    from infra.postgres.imports import Import

#: The providers whose connections are read in full at first.
_READ = ("caldav", "imap")


@click.group()
def connections() -> None:
    """Look at connections, add, change, test and remove them."""


@connections.command("list")
@needs(Permission.WORK_LOOK)
@account_option
@click.option("--after", default=0, type=click.IntRange(0), metavar="ID", help="Only those beyond this ID.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_connections(account: str | None, after: int, limit: int, as_json: bool) -> None:
    """List connections by ID, never their credentials."""
    from cli.output import print_json, print_table
    from infra.postgres import connections as stored
    from infra.postgres.accounts import find_account
    from infra.postgres.imports import imports_of

    with database_connection() as connection:
        account_id = None if account is None else find_account(connection, account).id
        found = stored.list_connections(connection, account_id=account_id, after=after, limit=limit)
        imports = imports_of(connection, [line.id for line in found])
    if as_json:
        print_json({"connections": [_with_import(line, imports.get(line.id)) for line in found]})
    else:
        print_table(found, _columns(imports), empty="No such connections. `retinue connections add imap` makes one.")


@connections.command("test")
@needs(Permission.WORK_ACT, notes="connection.try", of="connection_id", finds=True)
@click.argument("connection_id", metavar="ID", type=ID)
@json_option
def test_connection(connection_id: int, as_json: bool) -> None:
    """Try a connection out, step by step. Where all is well, its parked lanes go on."""
    try_out(current_settings(), connection_id, as_json=as_json)


@connections.command("password")
@needs(Permission.WORK_ACT, notes="connection.password", of="connection_id")
@click.argument("connection_id", metavar="ID", type=ID)
@password_options
@oauth_option
@json_option
def change_password(connection_id: int, password_stdin: bool, oauth: IO[str] | None, as_json: bool) -> None:
    """Store a new password or new OAuth tokens for a connection, then test it."""
    from infra.postgres.connections import read_connection, update_connection
    from infra.secrets import Keyring

    settings = current_settings()
    keyring = Keyring.from_settings(settings)
    credentials = read_credentials(password_stdin=password_stdin, oauth=oauth)
    with database_connection(settings) as connection:
        stored = read_connection(connection, connection_id)
        if stored.provider == "salesforce":
            raise BadInput(
                f"Connection {connection_id} is for {stored.provider!r}: `retinue connections sign-in` signs in anew."
            )
        if oauth is not None and stored.provider != "imap":
            raise BadInput(
                f"Connection {connection_id} is for {stored.provider!r}; only imap connections take --oauth."
            )
        update_connection(connection, keyring, connection_id, config=stored.config, credentials=credentials)
    ring_bell(settings)
    try_out(settings, connection_id, as_json=as_json)


@connections.command("reseal", short_help="Bring all that is sealed under the current key.")
@needs(Permission.KEYS_TURN, notes="connection.reseal")
@json_option
def reseal(as_json: bool) -> None:
    """Wrap every account's data key under the current key, so that a retired key can go; servants go on meanwhile.

    Credentials sealed before accounts had data keys are sealed under theirs. Where it is stopped, run it again.
    """
    from cli.output import print_json
    from infra.postgres.rotation import rotate
    from infra.secrets import Keyring
    from infra.words import counted

    settings = current_settings()
    keyring = Keyring.from_settings(settings)
    with database_connection(settings) as connection:
        connection.commit()
        connection.autocommit = True
        done = rotate(connection, keyring)
    if as_json:
        print_json({"keys": done.keys, "resealed": done.credentials, "problems": done.problems})
    else:
        keys, resealed = counted(done.keys, "data key"), counted(done.credentials, "connection")
        click.echo(f"{keys} wrapped anew by key {keyring.current.id}; {resealed} sealed anew.")
        for problem in done.problems:
            click.echo(problem, err=True)
    if done.problems:
        raise SystemExit(1)


add.add_command(add_salesforce)
connections.add_command(add)
connections.add_command(sign_in)
connections.add_command(budget)
connections.add_command(change_connection)
connections.add_command(remove)


def _with_import(line: ConnectionLine, found: Import | None) -> dict[str, Any]:
    """A connection, and how far its first reading is; None where there is none."""
    names = ("kind", "percent", "total", "done", "group_id", "started_at", "recent_at", "finished_at")
    progress = found and {name: getattr(found, name) for name in names} | {"left_seconds": found.left}
    return asdict(line) | {"import": progress}


def _columns(imports: Mapping[int, Import]) -> list[Column[ConnectionLine]]:
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
        Column("Problem", lambda line: one_line(_problem(line))),
        Column("Import", lambda line: _import_words(line, imports.get(line.id))),
        Column("Created (UTC)", lambda line: short_moment(line.created_at)),
    ]


def _problem(line: ConnectionLine) -> str:
    told = line.parked_reason or line.problem
    return told or (f"breaker open: {line.breaker_reason}" if line.breaker_reason else "")


def _import_words(line: ConnectionLine, found: Import | None) -> str:
    from cli.job_views import short_moment
    from infra.postgres.imports import progress_words

    if found is None:
        return "not begun" if line.provider in _READ else ""
    return progress_words(found) or f"done {short_moment(found.finished_at)}"
