"""`retinue accounts`: the customers."""

from __future__ import annotations

from typing import IO

import click

from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.noted import note
from cli.params import json_option, operator_option
from cli.permits import needs
from infra.permissions import Permission


@click.group()
def accounts() -> None:
    """Look at accounts, add and erase them."""


@accounts.command("list")
@needs(Permission.WORK_LOOK)
@click.option("--after", default=0, type=click.IntRange(0), metavar="ID", help="Only those beyond this ID.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_accounts(after: int, limit: int, as_json: bool) -> None:
    """List accounts by ID."""
    from cli.job_views import short_moment
    from cli.output import Column, print_json, print_table
    from infra.postgres import accounts as stored

    with database_connection() as connection:
        found = stored.list_accounts(connection, after=after, limit=limit)
    if as_json:
        print_json({"accounts": found})
        return
    columns: list[Column[stored.AccountLine]] = [
        Column("ID", lambda account: account.id, right=True),
        Column("Name", lambda account: account.name),
        Column("Connections", lambda account: account.connections, right=True),
        Column("Schedules", lambda account: account.schedules, right=True),
        Column("Created (UTC)", lambda account: short_moment(account.created_at)),
    ]
    print_table(found, columns, empty="No accounts. `retinue accounts add NAME` makes one.")


@accounts.command("add")
@needs(Permission.WORK_ACT, notes="account.add")
@click.argument("name")
@json_option
def add_account(name: str, as_json: bool) -> None:
    """Add an account named NAME."""
    from cli.output import print_json
    from infra.postgres import accounts as stored

    with database_connection() as connection:
        account = stored.add_account(connection, name)
    if as_json:
        print_json(account)
    else:
        click.echo(f"Account {account.id} ({account.name}) was added.")
        click.echo(f"Next: retinue connections add imap --account {account.id} --host … --username …")
        click.echo(f"or:   retinue connections add caldav --account {account.id} --url https://… --username …")


@accounts.command("new-key", short_help="Give up an account's lost data key.")
@needs(Permission.KEYS_TURN)
@click.argument("account")
@click.option("--yes", is_flag=True, help="Do not ask.")
@operator_option
def replace_key(account: str, yes: bool, operator: str) -> None:
    """Give ACCOUNT a new data key in place of one that no configured key unwraps.

    Its credentials cannot be opened any more, and have to be entered anew.
    """
    from infra.postgres.account_keys import AccountKeys
    from infra.postgres.accounts import find_account
    from infra.postgres.audit import Act
    from infra.secrets import Keyring

    settings = current_settings()
    keyring = Keyring.from_settings(settings)
    with database_connection(settings) as connection:
        found = find_account(connection, account)
        if not yes:
            click.confirm(f"All credentials of account {found.id} have to be entered anew. Go on?", abort=True)
        AccountKeys(keyring).replace_lost(connection, found.id)
        note(connection, operator, Act("account.new_key", "account", found.id, found.id))
    click.echo(f"Account {found.id} has a new data key. Next: retinue connections password ID, for each of its own.")


@accounts.command("erase", short_help="Erase an account and all that it has, for ever.")
@needs(Permission.ACCOUNT_ERASE)
@click.argument("account")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stays in the audit for good, so name nobody.")
@click.option("--yes", is_flag=True, help="Do not ask for the account's name.")
@operator_option
@json_option
def erase(account: str, reason: str, yes: bool, operator: str, as_json: bool) -> None:
    """Erase ACCOUNT: its work is stopped, its data key and every row of it are deleted. Nothing brings it back.

    A job does it, and survives its servant; `retinue jobs show` tells how far it is.
    """
    from cli.output import print_json
    from infra.postgres.accounts import find_account
    from infra.postgres.audit import Actor, ActorKind
    from infra.postgres.erasure_orders import order_erasure

    settings = current_settings()
    with database_connection(settings) as connection:
        found = find_account(connection, account)
        typed = None if yes else _typed_name(found.id, as_json=as_json)
        actor = Actor(ActorKind.COMMAND_LINE, None, operator)
        job = order_erasure(connection, actor, found.id, reason=reason, typed_name=typed)
    ring_bell(settings)
    if as_json:
        print_json({"account_id": found.id, "job_id": job})
    else:
        click.echo(f"Account {found.id} is being erased by job {job}: retinue jobs show {job}")


def _typed_name(account_id: int, *, as_json: bool) -> str:
    if as_json:
        raise BadInput("Give --yes with --json: nobody can be asked.")
    return str(click.prompt(f"Nothing brings account {account_id} back. Type its name to erase it"))


@accounts.command("traces", short_help="Say where in the database a text stands.")
@needs(Permission.ACCOUNT_ERASE, notes="account.traces")
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@json_option
def traces(file: IO[str], as_json: bool) -> None:
    """Look through every table for the texts in FILE, one a line, such as names and addresses of an erased account.

    Reads standard input unless FILE is given. Ends with status 1 where one of them stands somewhere. Reads the whole
    database: on a large one, ask a standby.
    """
    from cli.output import Column, print_json, print_table
    from infra.postgres.traces import Trace, find_traces

    texts = [line.strip() for line in file if line.strip()]
    if not texts:
        raise BadInput("There is no text to look for: give one a line.")
    with database_connection() as connection:
        connection.commit()
        connection.autocommit = True
        found = find_traces(connection, texts)
    columns: list[Column[Trace]] = [
        Column("Table", lambda trace: trace.table),
        Column("Column", lambda trace: trace.column),
        Column("Rows", lambda trace: trace.rows, right=True),
    ]
    if as_json:
        print_json({"traces": found})
    else:
        print_table(found, columns, empty="They stand nowhere.")
    if found:
        raise SystemExit(1)
