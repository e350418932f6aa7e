"""`retinue tokens`: with what programs use the manager's API."""

from __future__ import annotations

from datetime import timedelta

import click

from cli.environment import database_connection
from cli.noted import note
from cli.params import ID, Duration, account_option, json_option, operator_option
from cli.permits import needs
from infra.permissions import Permission


@click.group()
def tokens() -> None:
    """Make, look at and revoke the tokens with which programs use the manager's API."""


@tokens.command("list")
@needs(Permission.PEOPLE_RULE)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_tokens(limit: int, as_json: bool) -> None:
    """List tokens, the newest first, revoked ones too."""
    from cli.job_views import short_moment
    from cli.output import Column, print_json, print_table
    from infra.postgres import api_tokens

    with database_connection() as connection:
        found = api_tokens.list_tokens(connection, limit=limit)
    if as_json:
        print_json({"tokens": found})
        return
    columns: list[Column[api_tokens.TokenLine]] = [
        Column("ID", lambda token: token.id, right=True),
        Column("Name", lambda token: token.name),
        Column("Role", lambda token: token.role),
        Column("Account", lambda token: token.account_name or "all"),
        Column("Made by", lambda token: token.created_by),
        Column("Last used (UTC)", lambda token: short_moment(token.used_at)),
        Column("Ends (UTC)", lambda token: short_moment(token.expires_at)),
        Column("State", lambda token: token.state),
    ]
    print_table(found, columns, empty="No tokens. `retinue tokens add NAME --role viewer` makes one.")


@tokens.command("add")
@needs(Permission.PEOPLE_RULE)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "admin"]),
    default="viewer",
    show_default=True,
    help="What it may do.",
)
@account_option
@click.option("--lasts", type=Duration(), help="How long, such as 90d; for ever unless given.")
@operator_option
@json_option
def add_token(name: str, role: str, account: str | None, lasts: timedelta | None, operator: str, as_json: bool) -> None:
    """Make a token named NAME, and show it once. With --account it sees nothing but that account's."""
    from cli.output import print_json
    from infra.postgres import api_tokens
    from infra.postgres.accounts import find_account
    from infra.postgres.audit import Act
    from infra.roles import Role

    with database_connection() as connection:
        account_id = None if account is None else find_account(connection, account).id
        token_id, secret = api_tokens.add_token(
            connection, name, Role(role), created_by=operator, account_id=account_id, lasts=lasts
        )
        detail = {"name": name, "role": role, "days": None if lasts is None else lasts.days}
        note(connection, operator, Act("token.add", "token", token_id, account_id, detail))
    if as_json:
        print_json({"id": token_id, "token": secret})
    else:
        click.echo(f"The token {token_id} ({name}) was made. It is shown this once:\n{secret}")


@tokens.command("revoke")
@needs(Permission.PEOPLE_RULE)
@click.argument("token_id", metavar="ID", type=ID)
@operator_option
@json_option
def revoke_token(token_id: int, operator: str, as_json: bool) -> None:
    """End the token ID for good, from its next request on."""
    from cli.output import print_json
    from infra.postgres import api_tokens
    from infra.postgres.audit import Act

    with database_connection() as connection:
        token = api_tokens.revoke_token(connection, token_id)
        note(connection, operator, Act("token.revoke", "token", token_id, token.account_id, {"name": token.name}))
        token = api_tokens.find_token(connection, token_id)
    if as_json:
        print_json(token)
    else:
        click.echo(f"The token {token_id} ({token.name}) is revoked.")
