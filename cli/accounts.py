"""`retinue accounts`: the customers."""

from __future__ import annotations

import click

from cli.environment import database_connection
from cli.params import json_option


@click.group()
def accounts() -> None:
    """Look at accounts and add them."""


@accounts.command("list")
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
